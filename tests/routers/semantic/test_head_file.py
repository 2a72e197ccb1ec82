"""Fitted heads on disk between processes."""

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from omni_router.routers import RouteOption, Turn
from omni_router.routers.semantic import head, head_file
from omni_router.routers.semantic.head_file import HeadFile, key_of, pack, shipped_name
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.routers.semantic.training_set import TeacherLabels
from tests.support.damaged_files import cut_off, fill_with_garbage, replace_by_folder
from tests.support.letters import Letters

WEATHER = RouteOption("weather", "rain and wind", tuple(f"will it rain on day {n}" for n in range(40)))
MUSIC = RouteOption("music", "songs", tuple(f"play song {n} secretword" for n in range(40)))
ROUTES = [WEATHER, MUSIC]
REQUEST = [Turn(role="user", content="will it rain on sunday")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "heads.sqlite"


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts were fitted, once for each head that was not read from the disk."""
    sizes: list[int] = []
    fit = head.Head._fit

    def spy(self: head.Head, *args: object) -> head.Fit:
        sizes.append(len(self.texts))
        return fit(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(head.Head, "_fit", spy)
    return sizes


def answer(path: Path, routes: Sequence[RouteOption] = ROUTES, encoder: str = "letters") -> tuple[str, float | None]:
    """Answer as a new process would."""
    reply = SemanticRouter(Letters(encoder), head_file=HeadFile(path)).reply(REQUEST, routes)
    return reply.text, reply.confidence


def test_a_head_is_fitted_once_and_answers_the_same_in_every_process(path: Path, fits: list[int]) -> None:
    first = answer(path)
    assert [answer(path) for _ in range(3)] == [first] * 3
    assert len(fits) == 1
    assert '"weather"' in first[0]


@pytest.mark.parametrize(
    ("routes", "encoder"),
    [
        ([replace(WEATHER, examples=(*WEATHER.examples, "is it windy")), MUSIC], "letters"),
        ([replace(WEATHER, description="storms"), MUSIC], "letters"),
        ([replace(WEATHER, out_of_scope_examples=("draw a cat",)), MUSIC], "letters"),
        ([MUSIC, WEATHER], "letters"),
        (ROUTES, "other letters"),
    ],
)
def test_another_policy_or_encoder_has_a_head_of_its_own(
    routes: list[RouteOption], encoder: str, path: Path, fits: list[int]
) -> None:
    answer(path)
    answer(path, routes, encoder)
    assert len(fits) == 2
    answer(path, [replace(route, candidates=("org/a",)) for route in routes], encoder)  # models do not count
    assert len(fits) == 2


def test_another_version_fits_its_own(path: Path, fits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    answer(path)
    monkeypatch.setattr(head_file, "__version__", "0.0.0")
    answer(path)
    assert len(fits) == 2


def _damaged_value(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        (value,) = database.execute(f"SELECT value FROM {head_file.TABLE}").fetchone()  # noqa: S608
        middle = len(value) // 3
        value = value[:middle] + bytes([value[middle] ^ 255]) + value[middle + 1 :]
        database.execute(f"UPDATE {head_file.TABLE} SET value = ?", (value,))  # noqa: S608


def _no_archive(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE {head_file.TABLE} SET value = x'0102'")  # noqa: S608


@pytest.mark.parametrize("damage", [fill_with_garbage, cut_off, replace_by_folder, _damaged_value, _no_archive])
def test_a_damaged_file_changes_no_answer(damage: Callable[[Path], None], path: Path, fits: list[int]) -> None:
    first = answer(path)
    damage(path)
    assert [answer(path) for _ in range(2)] == [first] * 2
    assert len(fits) >= 2


def test_a_damaged_head_is_replaced(path: Path, fits: list[int]) -> None:
    answer(path)
    _damaged_value(path)
    answer(path)
    answer(path)
    assert len(fits) == 2


def test_it_is_bounded_in_number_and_size(path: Path, fits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_file, "MAX_ROWS", 2)
    for name in ("a", "b", "c"):
        answer(path, encoder=name)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(f"SELECT count(*) FROM {head_file.TABLE}").fetchone() == (2,)  # noqa: S608
    monkeypatch.setattr(head_file, "MAX_BYTES", 100)
    answer(path, encoder="d")
    answer(path, encoder="d")
    assert len(fits) == 5


def test_the_file_is_its_owners_and_holds_no_word_of_the_policy(path: Path) -> None:
    answer(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"secretword" not in path.read_bytes()


def test_a_head_with_teacher_labels_is_not_stored(path: Path, fits: list[int]) -> None:
    router = SemanticRouter(Letters(), head_file=HeadFile(path))
    router.judge([(REQUEST, ROUTES)], TeacherLabels({"music": Letters().encode(["hum"])}))
    assert len(fits) == 1
    assert not path.exists()


def test_a_shipped_fit_is_used_before_any_other_and_never_written(path: Path, tmp_path: Path, fits: list[int]) -> None:
    first = answer(path)
    fit = HeadFile(path).get("letters", ROUTES)
    assert fit
    shipped = tmp_path / shipped_name(key_of("letters", ROUTES))
    shipped.write_bytes(pack(fit))
    other = tmp_path / "other" / "heads.sqlite"
    for router in (SemanticRouter(Letters(), head_file=HeadFile(other, tmp_path)) for _ in range(2)):
        reply = router.reply(REQUEST, ROUTES)
        assert (reply.text, reply.confidence) == first
    assert len(fits) == 1
    assert not other.exists()
    shipped.write_bytes(b"garbage")
    SemanticRouter(Letters(), head_file=HeadFile(other, tmp_path)).reply(REQUEST, ROUTES)
    assert len(fits) == 2
    assert other.exists()
    assert shipped.read_bytes() == b"garbage"


def test_threads_and_processes_share_it(path: Path) -> None:
    first = answer(path)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: answer(path), range(16))) == [first] * 16
