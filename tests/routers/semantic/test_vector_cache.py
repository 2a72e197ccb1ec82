"""Vectors on disk between processes."""

import logging
import sqlite3
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic import vector_cache
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.regression import one_hot
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.routers.semantic.vector_cache import CachedEncoder
from tests.support.damaged_files import cut_off, fill_with_garbage, replace_by_folder
from tests.support.default_policy import entries_with_examples
from tests.support.letters import DIMENSIONS, Letters

TEXTS = ["draw a cat", "write python code", "a secret of mine", "draw a cat", ""]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "embeddings.sqlite"


def open_and_encode(path: Path, texts: Sequence[str] = TEXTS, name: str = "letters") -> tuple[list[str], Vectors]:
    """Encode as a new process would; tell which texts were embedded."""
    letters = Letters(name)
    vectors = CachedEncoder(letters, path).encode(texts)
    np.testing.assert_allclose(vectors, letters.encode(texts), atol=1e-3, rtol=0)
    return letters.asked[: -len(texts)], vectors


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def test_a_text_is_embedded_once_however_many_processes_there_are(path: Path) -> None:
    first, vectors = open_and_encode(path)
    assert first == ["draw a cat", "write python code", "a secret of mine", ""]
    second, again = open_and_encode(path)
    assert second == []
    assert np.array_equal(vectors, again)
    assert vectors.dtype == np.float32
    assert open_and_encode(path, ["fresh", *TEXTS])[0] == ["fresh"]


def test_each_encoder_has_vectors_of_its_own(path: Path) -> None:
    open_and_encode(path)
    assert len(open_and_encode(path, name="letters, but others")[0]) == 4
    assert CachedEncoder(Letters(), path).name == "letters"


def test_nothing_is_asked_of_the_disk_for_no_texts(path: Path) -> None:
    assert CachedEncoder(Letters(), path).encode([]).shape == (0, DIMENSIONS)
    assert not path.exists()


def test_the_file_is_its_owners_and_holds_no_text(path: Path) -> None:
    open_and_encode(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"secret" not in path.read_bytes()


def test_it_is_bounded_and_what_was_not_used_for_longest_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "MAX_ROWS", 4)
    open_and_encode(path, ["a", "b"])
    change(path, f"UPDATE {vector_cache.TABLE} SET used = used - 1e6")  # noqa: S608
    open_and_encode(path, ["b"])  # used again
    open_and_encode(path, ["c", "d", "e"])
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(f"SELECT count(*) FROM {vector_cache.TABLE}").fetchone() == (4,)  # noqa: S608
    assert open_and_encode(path, ["a", "b", "c", "d", "e"])[0] == ["a"]


def _other_table(path: Path) -> None:
    change(path, f"DROP TABLE {vector_cache.TABLE}")
    change(path, f"CREATE TABLE {vector_cache.TABLE} (a TEXT)")


def _no_vectors(path: Path) -> None:
    change(path, f"UPDATE {vector_cache.TABLE} SET value = 'text', used = 'never'")  # noqa: S608


def _shorter_vectors(path: Path) -> None:
    change(path, f"UPDATE {vector_cache.TABLE} SET value = x'0102' WHERE rowid = 2")  # noqa: S608


@pytest.mark.parametrize(
    "damage", [fill_with_garbage, cut_off, replace_by_folder, _other_table, _no_vectors, _shorter_vectors]
)
def test_a_damaged_file_breaks_nothing(damage: Callable[[Path], None], path: Path) -> None:
    open_and_encode(path)
    damage(path)
    for _ in range(2):
        open_and_encode(path)


def test_a_file_that_is_no_database_is_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    fill_with_garbage(path)
    open_and_encode(path)
    open_and_encode(path)
    assert open_and_encode(path)[0] == []


def test_a_locked_file_is_done_without_and_used_again_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.sqlite.BUSY", 0.05)
    open_and_encode(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert len(open_and_encode(path)[0]) == 4
        other.execute("ROLLBACK")
    assert open_and_encode(path)[0] == []


def test_a_place_that_cannot_be_written_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cached = CachedEncoder(Letters(), tmp_path / "file" / "embeddings.sqlite")
    for _ in range(3):
        assert cached.encode(TEXTS).shape == (5, DIMENSIONS)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "embedded again in every process" in caplog.text


def test_threads_share_it(path: Path) -> None:
    cached = CachedEncoder(Letters(), path)
    texts = [[f"{n} {i}" for i in range(20)] for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert all(vectors.shape == (20, DIMENSIONS) for vectors in pool.map(cached.encode, texts))
    assert open_and_encode(path, [text for each in texts for text in each])[0] == []


def test_an_encoder_that_cannot_be_loaded_is_reported(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no-such-folder"):
        CachedEncoder(SentenceEncoder(tmp_path / "no-such-folder"), path).encode(TEXTS)


def test_half_precision_changes_no_score(path: Path) -> None:
    encoder = SentenceEncoder(middle_layer_weight=0.3)
    examples = [(text, i) for i, entry in enumerate(entries_with_examples()) for text in entry["examples"][:12]]
    texts, owners = [text for text, _ in examples], np.array([i for _, i in examples])
    requests = encoder.encode(["write me a poem about python", "what is wrong with my code?", "hello", "12 * 9"])

    def scores(vectors: Vectors) -> Vectors:
        """Score by the cosines, and by ridge regression as the embedded router does."""
        kernel = vectors @ vectors.T + 2 * np.eye(len(vectors), dtype=np.float32)
        targets = one_hot(owners, int(owners.max()) + 1)
        cosines = requests @ vectors.T
        return np.concatenate([cosines, cosines @ np.linalg.solve(kernel, targets)], axis=1)

    exact = scores(encoder.encode(texts))
    for _ in range(2):
        np.testing.assert_allclose(scores(CachedEncoder(encoder, path).encode(texts)), exact, atol=1e-3, rtol=0)
