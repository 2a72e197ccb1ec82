"""The policy file: what is read from it, what is said about its faults, and when it is read again."""

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from omni_router import Services
from omni_router.config.environment import Environment
from omni_router.config.policy_text import parse_entries
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, Document, Policy, parse_document, read_entries
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.history import UsageRecord
from omni_router.history.file import FileHistory
from omni_router.tasks import TASKS

PATH = Path("some/route_config.json")
GOOD: dict[str, Any] = {"name": "chat", "description": "small talk", "task": "text-generation"}


def parse(*entries: Any) -> Document:
    return parse_document(json.dumps(list(entries), indent=2), PATH)


def write(path: Path, *entries: Any) -> None:
    path.write_text(json.dumps(list(entries)), encoding="utf-8")


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def no_change(_entries: list[dict[str, Any]]) -> bool:
    return False


def mark(key: str) -> Callable[[list[dict[str, Any]]], bool]:
    def change(entries: list[dict[str, Any]]) -> bool:
        entries[0][key] = 1
        return True

    return change


# ---- files that cannot be used


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ('[\n {"name": "a",\n]', 3, "not JSON"),
        ("", 1, "not JSON"),
        ("[\n\n", 3, "not JSON"),
        ("\ufeff[]", 1, "not JSON"),
        ('{"name": "a"}', 1, "not a JSON array"),
        ('"text"', 1, "not a JSON array"),
        ("null", 1, "not a JSON array"),
        ('[\n {"name": "a"},\n {"description": "b"}\n]', 3, 'no "name"'),
        ('[\n {"name": ""}]', 2, 'no "name"'),
        ('[\n {"name": "  "}]', 2, 'no "name"'),
        ('[\n {"name": 7}]', 2, 'no "name"'),
        ('[\n "a"\n]', 2, 'no "name"'),
        ('[{"name": "a"},\n null]', 2, 'no "name"'),
        ('[\n {"name": "a"},\n\n {"name": "a"}]', 4, "already used in line 2"),
        ('[\n {"name": "Sums"},\n {"name": " sUMS "}]', 3, "already used in line 2"),
        ('[{"name": "a"}, {"name": "A"}]', 1, "already used in line 1"),
        ('[\n {"name": "a, ] ",\n "description": "x] ,\\n"},\n {"name": ""}]', 4, 'no "name"'),
    ],
)
def test_an_unusable_file_is_reported_with_path_line_and_fault(text: str, line: int, fault: str) -> None:
    with pytest.raises(PolicyFileError) as raised:
        parse_document(text, PATH)
    assert raised.value.line == line
    assert str(raised.value).startswith(f"{PATH}:{line}: ")
    assert fault in str(raised.value)
    assert isinstance(raised.value, ConfigurationError)


@pytest.mark.parametrize("text", ["[" * 100_000, f"[{'1' * 5000}]", '[{"name": "a", "x": ' + "[" * 100_000])
def test_json_that_python_cannot_take_is_a_fault_of_the_file_and_no_crash(text: str) -> None:
    with pytest.raises(PolicyFileError, match="JSON"):
        parse_document(text, PATH)


class Scanned(str):
    """A text that knows how many of its characters were searched for line ends."""

    __slots__ = ("searched",)

    def count(self, *args: Any) -> int:
        found, start, end = args
        self.searched = getattr(self, "searched", 0) + end - start
        return super().count(found, start, end)


def test_lines_are_counted_once_however_many_entries_there_are() -> None:
    names = [*range(100), 0]
    text = Scanned(json.dumps([{**GOOD, "name": f"route {n}"} for n in names], indent=1) + "\n")
    with pytest.raises(PolicyFileError, match="already used in line 2"):
        parse_entries(text, PATH)
    assert 0 < text.searched <= len(text)


@pytest.mark.parametrize("content", [b"[", b'{"a": 1}', b'[{"name": "a"}, {"name": "a"}]', b"\xff\xfe[]", b""])
def test_an_unusable_file_is_left_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "route_config.json"
    path.write_bytes(content)
    file = RouteFile(path)
    with pytest.raises(PolicyFileError, match=r"route_config\.json"):
        file.document()
    with pytest.raises(PolicyFileError):
        file.update(mark("x"))
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="cannot be read"):
        RouteFile(tmp_path).document()


def test_a_path_below_a_file_falls_back_to_the_default_for_reading(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert RouteFile(tmp_path / "file" / "route_config.json").routes()


# ---- entries that are skipped, and named


def test_an_entry_with_an_unknown_task_is_skipped_and_named() -> None:
    tasks: list[Any] = ["text-to-video", "", 7, ["text-generation"], {}]
    for task in tasks:
        document = parse(GOOD, {"name": "film", "description": "moving pictures", "task": task})
        assert [route.name for route in document.routes] == ["chat"]
        assert [text for text in document.warnings if "'film'" in text and repr(task) in text]
        assert all(known in document.warnings[0] for known in TASKS)


@pytest.mark.parametrize("entry", [{}, {"description": ""}, {"description": " \n"}, {"description": 5}])
def test_an_entry_without_description_is_skipped_and_named(entry: dict[str, Any]) -> None:
    document = parse({"name": "mute", **entry}, GOOD)
    assert [route.name for route in document.routes] == ["chat"]
    assert len(document.warnings) == 1
    assert "'mute'" in document.warnings[0]
    assert "description" in document.warnings[0]


@pytest.mark.parametrize(
    "model",
    [
        *("chat", "image_generation", "x", "", "organization/model_name", "your-org/your-model", "acme/", "a/b/c"),
        *("acme/painter 2", "acme/painter-2:Together", "https://example.org/acme/painter-2", 7, 1.5, True, None),
        *([], ["acme/painter-2"], {}, {"name": "acme/painter-2"}, {"id": None}, {"id": 7}, {"id": "x"}),
    ],
)
def test_a_malformed_model_is_skipped_and_named(model: Any) -> None:
    document = parse({**GOOD, "models": ["acme/painter-1", model, {"id": "acme/painter-3"}]})
    assert [record["id"] for record in document.models["chat"]] == ["acme/painter-1", "acme/painter-3"]
    assert len(document.warnings) == 1
    assert repr(model) in document.warnings[0]
    assert "'chat'" in document.warnings[0]


def test_examples_that_are_no_text_are_left_out_and_counted() -> None:
    document = parse({**GOOD, "examples": ["Hi", 7, "", None, "Hello"]}, {**GOOD, "name": "b", "examples": "Hi"})
    assert [route.examples for route in document.routes] == [("Hi", "Hello"), ()]
    assert len(document.warnings) == 2
    assert "3 of the examples of route 'chat'" in document.warnings[0]


# ---- what entries mean


def test_a_listed_other_is_kept_and_never_offered(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD, {"name": " Other ", "description": "anything else", "models": ["acme/painter-2"]})
    file = RouteFile(path)
    assert [route.name for route in file.routes()] == ["chat"]
    assert file.document().warnings == ()
    file.update(mark("x"))
    assert json.loads(path.read_text())[1]["name"] == " Other "


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("image_generation", "text-to-image"),
        ("image_understanding", "image-text-to-text"),
        ("Image_Generation", "text-to-image"),
        ("chat", "text-generation"),
    ],
)
def test_an_absent_task_is_read_off_the_name(name: str, task: str) -> None:
    (route,) = parse({"name": name, "description": "something"}).routes
    assert route.task == task


def test_a_given_task_wins_over_the_name() -> None:
    (route,) = parse({"name": "image_generation", "description": "svg", "task": "text-generation"}).routes
    assert route.task == "text-generation"


def test_unknown_keys_survive_a_write(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    entries = [
        {**GOOD, "owner": {"team": ["ä"]}, "models": [{"id": "acme/painter-2", "note": "dear"}, 7]},
        {"name": "z"},
    ]
    write(path, *entries)
    RouteFile(path).update(mark("marked"))
    assert json.loads(path.read_text(encoding="utf-8")) == [{**entries[0], "marked": 1}, entries[1]]
    assert "ä" in path.read_text(encoding="utf-8")


# ---- the packaged default


def test_the_default_policy_is_whole() -> None:
    document = parse_document(DEFAULT_POLICY.read_text(encoding="utf-8"), DEFAULT_POLICY)
    assert document.warnings == ()
    assert {route.task for route in document.routes} == set(TASKS)
    assert len(document.routes) == 10
    assert all(len(set(route.examples)) >= 12 for route in document.routes)
    assert not any(document.models.values())


def test_an_absent_file_reads_as_the_default_and_reading_writes_nothing(tmp_path: Path) -> None:
    file = RouteFile(tmp_path / "deep" / "route_config.json")
    assert "casual_conversation" in {route.name for route in file.routes()}
    file.update(no_change)
    assert not file.path.exists()


def test_the_first_write_copies_the_default_and_never_touches_the_package(tmp_path: Path) -> None:
    before = DEFAULT_POLICY.read_bytes(), DEFAULT_POLICY.stat().st_mtime_ns, sorted(DEFAULT_POLICY.parent.iterdir())
    file = RouteFile(tmp_path / "deep" / "route_config.json")
    file.update(mark("marked"))
    copied = json.loads(file.path.read_text(encoding="utf-8"))
    assert copied[0].pop("marked") == 1
    assert copied == json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))
    assert before == (
        DEFAULT_POLICY.read_bytes(),
        DEFAULT_POLICY.stat().st_mtime_ns,
        sorted(DEFAULT_POLICY.parent.iterdir()),
    )


# ---- a file that changes while the process runs


def test_a_file_changed_on_disk_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD)
    policy: Policy = RouteFile(path)
    assert [route.name for route in policy.routes()] == ["chat"]
    write(path, GOOD, {**GOOD, "name": "sums"})
    assert [route.name for route in policy.routes()] == ["chat", "sums"]
    path.unlink()
    assert "casual_conversation" in {route.name for route in policy.routes()}


def test_a_file_that_is_gone_for_a_moment_is_not_written_anew_from_the_default(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD)
    file = RouteFile(path)
    file.routes()
    path.rename(tmp_path / "route_config.json~")  # as an editor does before it saves
    with pytest.raises(PolicyFileError, match="was removed while in use"):
        file.update(lambda _: True)
    assert not path.exists()


def test_an_edit_of_the_same_length_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD)
    file = RouteFile(path)
    assert file.routes()[0].name == "chat"
    time.sleep(0.02)  # two clock ticks of the file system
    write(path, {**GOOD, "name": "talk"})
    assert file.routes()[0].name == "talk"


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD)
    file = RouteFile(path)
    assert file.document() is file.document()


def test_a_file_that_breaks_while_running_leaves_the_last_good_policy_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "route_config.json"
    write(path, GOOD)
    file = RouteFile(path)
    file.routes()
    path.write_text("[\n{", encoding="utf-8")
    assert [[route.name for route in file.routes()] for _ in range(5)] == [["chat"]] * 5
    assert len(warned(caplog)) == 1
    assert f"{path}:2" in warned(caplog)[0]
    path.write_text("[\n{{{", encoding="utf-8")  # broken in another way: that is news
    file.routes()
    file.routes()
    assert len(warned(caplog)) == 2
    write(path, {**GOOD, "name": "mended"})
    assert [route.name for route in file.routes()] == ["mended"]
    assert len(warned(caplog)) == 2


def test_warnings_are_given_once_a_version_of_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "route_config.json"
    write(path, {**GOOD, "models": ["x"]}, {"name": "mute"})
    file = RouteFile(path)
    for _ in range(3):
        file.routes()
    assert len(warned(caplog)) == 2
    assert all(str(path) in text for text in warned(caplog))


def test_models_that_are_no_array_are_ignored_with_a_warning_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{**GOOD, "models": {"id": "acme/painter-2"}}]))
    before = path.read_bytes()
    file = RouteFile(path)
    assert any("not an array" in warning for warning in file.document().warnings)
    history = FileHistory(file)
    assert history.record(UsageRecord("chat", "acme/painter-1", "why", "2026-01-01T00:00:00Z")) is None
    assert path.read_bytes() == before


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([GOOD]).encode())
    assert [route.name for route in RouteFile(path).routes()] == ["chat"]


def test_half_of_a_surrogate_pair_survives_a_write(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{**GOOD, "note": "\ud83d"}]))
    history = FileHistory(RouteFile(path))
    assert history.record(UsageRecord("chat", "acme/painter-1", "why", "2026-01-01T00:00:00Z")) == str(path)
    assert json.loads(path.read_text())[0]["note"] == "\ud83d"


def test_a_number_that_is_none_survives_a_write_and_a_text_of_it_too(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{**GOOD, "note": [float("nan"), "NaN"]}]))
    assert FileHistory(RouteFile(path)).record(
        UsageRecord("chat", "acme/painter-1", "why", "2026-01-01T00:00:00Z")
    ) == str(path)
    number, text = json.loads(path.read_text())[0]["note"]
    assert math.isnan(number)
    assert text == "NaN"


def test_provider_of_a_model_written_by_hand_is_split_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{**GOOD, "models": ["acme/painter-1:together"]}]))
    history = FileHistory(RouteFile(path))
    [record] = history.models("chat")
    assert (record["id"], record["provider"]) == ("acme/painter-1", "together")
    history.record(UsageRecord("chat", "acme/painter-1", "why", "2026-01-01T00:00:00Z"))
    [model] = json.loads(path.read_text())[0]["models"]
    assert model["id"] == "acme/painter-1:together"
    assert model["uses"] == 1
    assert "provider" not in model


def test_a_stuck_process_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.files.LOCK_PATIENCE", 0.1)
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([GOOD]))
    history = FileHistory(RouteFile(path))
    with FileLock(tmp_path / ".route_config.json.lock"):
        assert history.record(UsageRecord("chat", "acme/painter-1", "why", "2026-01-01T00:00:00Z")) is None
    assert history.models("chat")[0]["uses"] == 1, "what waited is written once the lock is free"


def test_one_route_is_the_fallback_and_what_else_is_said_of_it_is_named() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "code", "description": "about code", "fallback": "yes"},
        {"name": "chat", "description": "about anything", "fallback": True},
        {"name": "maths", "description": "about numbers", "fallback": True},
    ]
    document = read_entries(entries)
    assert [route.name for route in document.routes if route.fallback] == ["chat"]
    assert list(document.warnings) == [
        "\"fallback\" of route 'code' is ignored: 'yes' is neither true nor false",
        "\"fallback\" of route 'maths' is ignored: 'chat' is the fallback",
    ]


def test_the_default_policy_has_a_fallback_that_answers_texts() -> None:
    document = parse_document(DEFAULT_POLICY.read_text(), DEFAULT_POLICY)
    assert [(route.name, route.task) for route in document.routes if route.fallback] == [
        ("question_answering", "text-generation")
    ]


def test_an_unknown_fallback_of_the_environment_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_FALLBACK_ROUTE", "smalltalk")
    with pytest.raises(
        ConfigurationError, match=r"fallback_route is 'smalltalk'; allowed are casual_conversation,.*none"
    ):
        Services.from_environment()


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_no_whole_number_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_MAX_NEW_TOKENS", value)
    with pytest.raises(ConfigurationError, match=f"OMNI_MAX_NEW_TOKENS must be .* not '{value}'"):
        Environment.read()
