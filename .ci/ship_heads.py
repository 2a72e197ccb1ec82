#!/usr/bin/env python3
# ruff: noqa: T201 (a script, and printing is its job)
"""Compute what ships of the default policy: the vectors of its texts, and the fits of its heads.

    make fit

writes `omni_router/routers/semantic/shipped/`. Run it after any change of the default policy, its examples, the way a
text is read, the encoders, the constants of the head, or the version; a test fails until then. It takes a minute or
two, needs the extra `embedded`, and writes the same files again on the same machine.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from rich.console import Console
from rich.progress import track

from omni_router.config.routes import DEFAULT_POLICY, Route, parse_document
from omni_router.routers import RouteOption
from omni_router.routers.semantic import shipped_vectors as shipped
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.head import Fit
from omni_router.routers.semantic.head_file import HeadFile, key_of, pack, shipped_name
from omni_router.routers.semantic.language import EXAMPLE_CHARACTERS, LanguageDetector, write_languages
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import SemanticRouter, default_encoder
from omni_router.routers.semantic.training_set import NO_LABELS, training_set
from omni_router.selection.routes import eligible_routes, options_of_document, routes_with_tools

STEP = 8  # texts that are embedded at once
NO_LIMIT = 1_000_000  # texts: a changed policy may use those that the default one has no room for
IMAGES = ((False, False), (True, True), (False, True))  # in the newest request, and anywhere before its answer


def sets_of_routes() -> list[list[RouteOption]]:
    """Return what a router is shown for each set of routes that requests of the default policy can take."""
    document = parse_document(DEFAULT_POLICY.read_text(encoding="utf-8"), DEFAULT_POLICY)
    sets: list[list[Route]] = []
    for now, before in IMAGES:
        eligible = eligible_routes(document.routes, image_now=now, image_before=before)
        for routes in (eligible, routes_with_tools(eligible)):
            if routes and routes not in sets:
                sets.append(routes)
    return [options_of_document(document, routes) for routes in sets]


def texts_of(routes: Sequence[RouteOption]) -> list[str]:
    """Return all texts that a head for these routes may be fitted on."""
    texts: list[str] = []
    for each in training_set(routes, NO_LABELS, max_texts=NO_LIMIT):
        texts += [*each.phrases, *each.examples]
    return texts


def languages_of(sets: Sequence[Sequence[RouteOption]]) -> dict[str, bool]:
    """Return whether the examples of some sets of routes are English."""
    detector = LanguageDetector()
    languages: dict[str, bool] = {}
    for route in chain.from_iterable(sets):
        for text in (*route.examples, *route.out_of_scope_examples):
            if text not in languages:
                languages[text] = detector.detect(text[:EXAMPLE_CHARACTERS]).is_english
    return languages


class RoundedEncoder:
    """Keeps the vectors of an encoder, and returns them as they will be read. The first texts determine the mean."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}
        self._mean: Vectors | None = None

    @property
    def name(self) -> str:
        """The name of the encoder inside."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the rounded vectors of texts, and show a progress bar while they are embedded."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        steps = [new[start : start + STEP] for start in range(0, len(new), STEP)]
        for step in track(steps, f"embedding {len(new)} texts", console=Console(stderr=True), disable=not steps):
            self._vectors.update(zip(step, self._encoder.encode(step), strict=True))
        return shipped.unpack(self._rounded(texts), range(len(texts)))

    def save(self, name: str) -> None:
        """Write all vectors."""
        texts = list(self._vectors)
        shipped.write(shipped.keys_of(self.name, texts), self._rounded(texts), name)

    def _rounded(self, texts: Sequence[str]) -> shipped.Rounded:
        vectors = np.stack([self._vectors[text] for text in texts])
        if self._mean is None:
            self._mean = vectors.mean(axis=0)
        return shipped.pack(vectors, self._mean)


class ShippedHeads(HeadFile):
    """Collects the fits of one encoder, and embeds all texts that fits for other policies need."""

    def __init__(self, library: RoundedEncoder) -> None:
        super().__init__(shipped.FOLDER / "unused")
        self._library = library
        self.fits: dict[str, bytes] = {}

    def get(self, _encoder: str, routes: Sequence[RouteOption]) -> None:
        """Embed the texts; no fit is known."""
        self._library.encode(texts_of(routes))

    def put(self, encoder: str, routes: Sequence[RouteOption], fit: Fit) -> None:
        """Keep a fit."""
        print(f"fitted {', '.join(route.name for route in routes)}")
        self.fits[shipped_name(key_of(encoder, routes))] = pack(fit)


def main() -> None:
    """Compute everything, and replace what is there."""
    english = RoundedEncoder(default_encoder("float32"))  # which serve int8 as well
    others = RoundedEncoder(MultilingualEncoder())
    english_heads, other_heads = ShippedHeads(english), ShippedHeads(others)
    router = MultilingualRouter(english, english, english_heads, others=SemanticRouter(others, others, other_heads))
    sets = sets_of_routes()
    for routes in sets:
        router.prepare(routes)
        router.others.prepare(routes)
    shipped.FOLDER.mkdir(exist_ok=True)
    for path in shipped.FOLDER.iterdir():
        path.unlink()
    write_languages(shipped.LANGUAGES, languages_of(sets))
    english.save(shipped.ENGLISH)
    others.save(shipped.OTHERS)
    for name, content in {**english_heads.fits, **other_heads.fits}.items():
        (shipped.FOLDER / name).write_bytes(content)
    for path in sorted(shipped.FOLDER.iterdir()):
        print(f"{path.stat().st_size:9,} bytes  {path.name}")


if __name__ == "__main__":
    main()
