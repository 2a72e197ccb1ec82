"""Other classifiers on the same texts and the same encoders: logistic regression, and semantic-router."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from benchmarks import aurelio
from omni_router.evaluation.data import Item
from omni_router.evaluation.metrics import Outcome
from omni_router.routers import OTHER, RouteOption
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.judgement import Judgement
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import ENGLISH_DIMENSIONS, MultilingualRouter
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    from omni_router.routers.semantic.head import Head

REGRESSION = "logistic regression"
# Scikit-learn's C, of which cross-validation on the same texts chooses the one that gives the likeliest probabilities.
INVERSE_REGULARIZATIONS = (1.0, 10.0, 100.0, 1_000.0)
FOLDS, ITERATIONS = 3, 300


class Asked(NamedTuple):
    """A request with the embedded router's view of it, whose vector shows which encoder has read it."""

    item: Item
    judgement: Judgement

    @property
    def is_english(self) -> bool:
        """Whether the encoder for English has read it."""
        return bool(self.judgement.vector[:ENGLISH_DIMENSIONS].any())


class Classifier(Protocol):
    """What is asked beside the embedded router."""

    def ask(self, asked: Sequence[Asked]) -> list[Outcome]:
        """Return an answer to each request."""
        ...


class Classifiers:
    """The other classifiers that are installed, fitted once for each policy."""

    def __init__(self, router: MultilingualRouter) -> None:
        self._router = router
        self._fitted: dict[tuple[RouteOption, ...], dict[str, Classifier]] = {}

    def fitted(self, routes: Sequence[RouteOption]) -> dict[str, Classifier]:
        """Return them by their names."""
        key = tuple(routes)
        if key not in self._fitted:
            made: dict[str, Classifier] = {}
            if find_spec("sklearn"):
                made[REGRESSION] = LogisticRegression(self._router, routes)
            if aurelio.installed():
                made[aurelio.NAME] = SemanticRouterLibrary(self._router, routes)
            self._fitted[key] = made
        return self._fitted[key]


class LogisticRegression:
    """One for each encoder, fitted on the vectors that the head of the embedded router has."""

    def __init__(self, router: MultilingualRouter, routes: Sequence[RouteOption]) -> None:
        from sklearn.linear_model import LogisticRegression as Regression
        from sklearn.model_selection import GridSearchCV

        self._names = class_names(routes)
        self._classifiers: dict[bool, Any] = {}
        for is_english, head in heads(router, routes).items():
            sizes = [part.stop - part.start for part in head.slices]
            owners = np.repeat(np.arange(len(sizes)), sizes)
            classifier = Regression(max_iter=ITERATIONS)
            search = GridSearchCV(classifier, {"C": INVERSE_REGULARIZATIONS}, cv=FOLDS, scoring="neg_log_loss")
            self._classifiers[is_english] = search.fit(head.vectors, owners).best_estimator_

    def ask(self, asked: Sequence[Asked]) -> list[Outcome]:
        """Classify requests by the vectors that the embedded router has read."""
        outcomes: list[Outcome] = []
        for each in asked:
            classifier = self._classifiers[each.is_english]
            [probabilities] = classifier.predict_proba([_own_part(each)])
            likeliest = int(probabilities.argmax())
            name = self._names[int(classifier.classes_[likeliest])]
            outcomes.append(Outcome(each.item.route, name, float(probabilities[likeliest])))
        return outcomes


class SemanticRouterLibrary:
    """Aurelio's semantic-router, one for each encoder, with the texts of the embedded router as its utterances."""

    def __init__(self, router: MultilingualRouter, routes: Sequence[RouteOption]) -> None:
        encoders: dict[bool, Encoder] = {True: SentenceEncoder(), False: MultilingualEncoder()}
        self._routers: dict[bool, Any] = {}
        for is_english, head in heads(router, routes).items():
            options = _options_of(head, class_names(routes))
            self._routers[is_english] = aurelio.indexed_router(encoders[is_english], options, "sum")

    def ask(self, asked: Sequence[Asked]) -> list[Outcome]:
        """Ask for each request; it reads the newest turn alone."""
        outcomes: list[Outcome] = []
        for each in asked:
            choice = self._routers[each.is_english](each.item.text)
            outcomes.append(Outcome(each.item.route, choice.name or OTHER))
        return outcomes


def heads(router: MultilingualRouter, routes: Sequence[RouteOption]) -> dict[bool, "Head"]:
    """Return the fitted heads of both encoders, that for English under True."""
    return {True: router.head(routes), False: router.others.head(routes)}


def class_names(routes: Sequence[RouteOption]) -> list[str]:
    """Return the names of a head's classes in their order."""
    return [*(route.name for route in routes if route.name != OTHER), OTHER]


def _options_of(head: "Head", names: Sequence[str]) -> list[RouteOption]:
    """Return routes whose examples are all the texts of a head."""
    *texts, others = [tuple(filter(None, head.texts[part])) for part in head.slices]
    return [RouteOption(name, "", each, out_of_scope_examples=others) for name, each in zip(names, texts, strict=False)]


def _own_part(asked: Asked) -> Vectors:
    vector = asked.judgement.vector
    if asked.is_english:
        return vector[:ENGLISH_DIMENSIONS]
    return vector[ENGLISH_DIMENSIONS:]
