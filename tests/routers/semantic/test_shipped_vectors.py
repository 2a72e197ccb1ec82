"""What ships of the default policy: complete, true, and enough for a first start."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from omni_router.config.environment import Environment
from omni_router.messages import IMAGE_MARK
from omni_router.routers import RouteOption
from omni_router.routers.semantic import head
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.head_file import HeadFile, key_of, shipped_name
from omni_router.routers.semantic.language import KEY_PREFIX, read_languages
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.pooling import normalize
from omni_router.routers.semantic.router import SemanticRouter, default_encoder
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.routers.semantic.shipped_vectors import (
    ENGLISH,
    FOLDER,
    LANGUAGES,
    OTHERS,
    ShippedVectors,
    keys_of,
    pack,
    paths_of,
    read,
    unpack,
    write,
)
from omni_router.routers.semantic.training_set import NO_LABELS, training_set
from omni_router.services import router as routers
from tests.support.damaged_files import fill_with_garbage, replace_by_folder
from tests.support.letters import Letters

SCRIPT = Path(__file__).parents[3] / ".ci" / "ship_heads.py"
STALE = "what ships of the default policy is out of date: run `make fit`"
SAMPLE = 12  # texts that are embedded again
REQUESTS = ("Write a haiku", "Schreibe bitte ein Haiku über den Herbst", f"{IMAGE_MARK} What is in this picture?")

Needed = dict[str, list[tuple[SemanticRouter, Sequence[RouteOption]]]]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ship_heads", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def needed(script: ModuleType) -> Needed:
    """Return by the name of the files what is fitted: the router, and the routes as its head gets them."""
    router = MultilingualRouter(default_encoder("float32"))
    sets = script.sets_of_routes()
    return {
        ENGLISH: [(router, router._with_english_examples(routes)) for routes in sets],
        OTHERS: [(router.others, routes) for routes in sets],
    }


@pytest.mark.parametrize("name", [ENGLISH, OTHERS])
def test_every_text_of_the_default_policy_ships_and_no_other(name: str, needed: Needed, script: ModuleType) -> None:
    keys: set[bytes] = set()
    for router, routes in needed[name]:
        keys.update(keys_of(router.encoder.name, script.texts_of(routes)))
    assert read(name).places.keys() == keys, STALE


def test_the_language_of_every_example_ships_and_no_other(script: ModuleType) -> None:
    languages = script.languages_of(script.sets_of_routes())
    keys = keys_of(KEY_PREFIX, languages)
    assert read_languages(LANGUAGES) == dict(zip(keys, languages.values(), strict=True)), STALE


def test_a_fit_ships_for_every_set_of_routes_and_no_other(needed: Needed) -> None:
    names = {shipped_name(key_of(router.encoder_name, routes)) for router, routes in chain(*needed.values())}
    assert {path.name for path in FOLDER.glob("*.fit.npz")} == names, STALE


@pytest.mark.parametrize("name", [ENGLISH, OTHERS])
def test_the_shipped_vectors_are_those_of_the_encoder(name: str, needed: Needed, script: ModuleType) -> None:
    router, routes = needed[name][0]
    every = script.texts_of(routes)
    texts = every[:: len(every) // SAMPLE]
    likeness = np.einsum("ij,ij->i", _shipped_alone(router, name).encode(texts), router.encoder.encode(texts))
    assert likeness.min() > 0.9995, STALE


@pytest.mark.parametrize("name", [ENGLISH, OTHERS])
def test_the_shipped_fit_of_a_small_set_is_what_is_fitted_today(name: str, needed: Needed, tmp_path: Path) -> None:
    router, routes = min(needed[name], key=lambda each: sum(len(route.examples) for route in each[1]))
    shipped = HeadFile(tmp_path / "heads.sqlite", FOLDER).get(router.encoder_name, routes)
    fitted = SemanticRouter(router.encoder, _shipped_alone(router, name)).head(routes).fit
    assert shipped, STALE
    for ours, theirs in zip(fitted[:-1], shipped[:-1], strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-2, atol=1e-3, err_msg=STALE)
    for ours, theirs in zip(fitted.words, shipped.words, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, err_msg=STALE)


def test_a_first_start_embeds_the_requests_alone_and_fits_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = _spy_on_encoders(monkeypatch)
    monkeypatch.setattr(head.Head, "_fit", lambda *_: pytest.fail(STALE))
    monkeypatch.setattr(routers, "_semantic", {})
    cache = tmp_path / "empty"
    router = routers.choose_router(replace(Environment.read(router="semantic"), cache_dir=cache))
    assert isinstance(router, MultilingualRouter)
    for routes in script.sets_of_routes():
        router.judge([([{"role": "user", "content": text}], routes) for text in REQUESTS])
        for each in (router, router.others):
            prepared = each.head(routes)
            assert len(prepared.fit.broad) == len(prepared.texts), STALE
    assert {text.strip() for text in embedded} <= {text.replace(IMAGE_MARK, " ").strip() for text in REQUESTS}, STALE
    assert not cache.exists()


def test_an_example_that_is_added_is_the_only_one_that_is_embedded(needed: Needed) -> None:
    router, (first, *others) = needed[OTHERS][0]
    changed = replace(first, examples=(*first.examples, "eine Bitte, die nicht dabei ist"))
    texts = list(chain.from_iterable(each.examples for each in training_set([changed, *others], NO_LABELS)))
    shipped = read(OTHERS).places
    keys = keys_of(router.encoder.name, texts)
    assert [text for text, key in zip(texts, keys, strict=True) if key not in shipped] == [changed.examples[-1]]


def _shipped_alone(router: SemanticRouter, name: str) -> ShippedVectors:
    """Return what ships under a name, and nothing else: whatever does not ship fails."""

    @dataclass
    class Nothing:
        name: str

        def encode(self, texts: Sequence[str]) -> Vectors:
            pytest.fail(f"{len(texts)} texts do not ship: {STALE}")

    return ShippedVectors(Nothing(router.encoder.name), name)


def _spy_on_encoders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which the texts appear that are embedded."""
    embedded: list[str] = []

    def watch(encode: Callable[..., Vectors]) -> Callable[..., Vectors]:
        def encode_and_note(self: Encoder, texts: Sequence[str]) -> Vectors:
            embedded.extend(texts)
            return encode(self, texts)

        return encode_and_note

    for encoder in (SentenceEncoder, MultilingualEncoder):
        monkeypatch.setattr(encoder, "encode", watch(encoder.encode))
    return embedded


# ---- other policies, and files that are missing or damaged


SHIPPED_TEXTS = ["draw a cat", "write code", "a dark beach"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ship the vectors of some texts."""
    vectors = Letters().encode(SHIPPED_TEXTS)
    write(keys_of("letters", SHIPPED_TEXTS), pack(vectors, vectors.mean(axis=0)), "some", tmp_path)
    return tmp_path


def ask(folder: Path, texts: Sequence[str], name: str = "letters") -> list[str]:
    """Check the vectors of some texts, and return those that were embedded."""
    letters = Letters(name)
    vectors = ShippedVectors(letters, "some", folder).encode(texts)
    asked = list(letters.asked)
    np.testing.assert_allclose(vectors, letters.encode(texts), atol=0.01, rtol=0)
    assert vectors.dtype == np.float32
    return asked


def test_what_ships_is_looked_up_and_the_rest_is_embedded(folder: Path) -> None:
    assert ask(folder, SHIPPED_TEXTS) == []
    assert ask(folder, ["a bee", *SHIPPED_TEXTS, "a deck"]) == ["a bee", "a deck"]
    assert ask(folder, ["a bee"]) == ["a bee"]
    assert ask(folder, []) == []


def test_another_encoder_is_asked_for_everything(folder: Path) -> None:
    assert ask(folder, SHIPPED_TEXTS, "other letters") == SHIPPED_TEXTS


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("damage", [fill_with_garbage, _cut_short, replace_by_folder, Path.unlink])
@pytest.mark.parametrize("number", [0, 1])
def test_files_that_cannot_be_read_are_done_without(folder: Path, number: int, damage: Callable[[Path], None]) -> None:
    damage(paths_of("some", folder)[number])
    assert ask(folder, SHIPPED_TEXTS) == SHIPPED_TEXTS


def test_eight_bits_keep_the_direction_of_a_vector() -> None:
    vectors = normalize(np.random.default_rng(0).normal(size=(50, 512)).astype(np.float32))
    vectors[:, 7] += 0.5  # as encoders have it
    vectors = normalize(vectors)
    rounded = unpack(pack(vectors, vectors.mean(axis=0)), range(50))
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1, rtol=1e-5)
    assert np.einsum("ij,ij->i", vectors, rounded).min() > 0.9999
