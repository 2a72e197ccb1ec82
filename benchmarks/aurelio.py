"""Aurelio's semantic-router (1.x) with the same encoder.

It cannot be installed beside the pins of constraints.txt (it wants openai<3), so it gets an environment of its own:

    python -m venv .venv-compare
    .venv-compare/bin/pip install -e ".[arch]" "semantic-router>=1.1,<2" scikit-learn
    .venv-compare/bin/pip install --no-deps --require-hashes -r requirements/embedded.txt
    .venv-compare/bin/python -m benchmarks.semantic
    .venv-compare/bin/python -m benchmarks.strangers
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from omni_router.routers import OTHER, RouteOption
from omni_router.routers.semantic.encoder import Encoder
from omni_router.routers.semantic.training_set import split_phrases

NAME = "semantic-router"
Labelled = Sequence[tuple[str, str]]  # request and right route

ABOUT = """\
Aurelio's semantic-router {version}: its `IndexedRouter` over a `LocalIndex`. Both use the same encoder, semantic-router
the published embeddings, and the same texts: the phrases of the descriptions and the examples are its utterances,
and requests that no route serves are those of a route `other`, except when calibrated. It reads only the newest turn,
since it has no notion of a conversation. With its defaults (`mean`), a route's score is the mean of its hits among
the five closest utterances; with `sum`, its own option and mostly the better one on these data, their sum. Either way
the best route always wins; calibrated (its `fit`, then a threshold of 0.5, as in its manual), it may also name none,
which counts as `other`. For this it gets labelled requests that the embedded router does not: those of the own set's
train split with one turn and no image, or 10 more train queries per intent of CLINC150 and its 100 out of scope."""
MISSING = 'Not compared: semantic-router is missing (pip install "semantic-router>=1.1,<2"); see benchmarks/aurelio.py.'


def installed() -> bool:
    """Return whether it can be measured here."""
    return find_spec("semantic_router") is not None


def indexed_router(
    encoder: Encoder,
    routes: Sequence[RouteOption],
    aggregation: str = "mean",
    calibrator: Any = None,
    *,
    calibrated: bool = False,
) -> Any:
    """Make its router over a local index; a route's utterances are the phrases of its description and its examples.

    As it comes, its best route always wins, and what no route serves is a route of its own. Calibrated it may say that
    none fits, from a threshold of 0.5 on, as its manual has it.
    """
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import DenseEncoder
    from semantic_router.index import LocalIndex

    others = list(routes[0].out_of_scope_examples)

    class SameEncoder(DenseEncoder):  # type: ignore[misc]  # Any where it is not installed
        def __call__(self, docs: list[str]) -> Any:
            return encoder.encode(docs).tolist()

    return IndexedRouter(
        encoder=SameEncoder(name="all-MiniLM-L6-v2"),
        routes=[
            *(
                Route(name=route.name, utterances=[*split_phrases(route.description), *route.examples])
                for route in routes
            ),
            *([Route(name=OTHER, utterances=others)] if others and not calibrated else []),
        ],
        index=LocalIndex(),
        aggregation=aggregation,
        calibrator=calibrator,
        confidence_threshold=0.5 if calibrator else None,
    )


def calibrator(encoder: Encoder, routes: Sequence[RouteOption], aggregation: str, labelled: Labelled) -> Any:
    """Let it fit its calibration on labelled requests that are none of its utterances, as its manual asks."""
    router = indexed_router(encoder, routes, aggregation, calibrated=True)
    texts, names = zip(*labelled, strict=True)
    router.fit(list(texts), [None if name == OTHER else name for name in names])
    return router.calibrator
