"""Files of examples: their form, how an entry names one, and what happens when it cannot be read or changes."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_router.config import example_files
from omni_router.config.example_files import SHIPPED, format_examples, parse_examples, shipped_names
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, parse_document, read_entries
from omni_router.history import UsageRecord
from omni_router.history.file import FileHistory
from omni_router.history.transfer import read_entries as read_export

CHAT: dict[str, Any] = {"name": "chat", "description": "small talk", "task": "text-generation"}
USE = UsageRecord("chat", "acme/m1", "why", "2026-01-01T00:00:00Z")


@pytest.fixture
def policy(route_config: Path) -> Callable[..., RouteFile]:
    """Write a policy of one route with these keys, and open it."""

    def write(**keys: Any) -> RouteFile:
        route_config.write_text(json.dumps([{**CHAT, **keys}]), encoding="utf-8")
        return RouteFile(route_config)

    return write


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def examples_of(file: RouteFile) -> tuple[str, ...]:
    [route] = file.routes()
    return route.examples


# ---- the form


@pytest.mark.parametrize(
    ("line", "example"),
    [
        ("Say hi", "Say hi"),
        ("  Say hi \t", "Say hi"),
        (r"Translate:\nGood morning", "Translate:\nGood morning"),
        (r"print('a\\n')", r"print('a\n')"),
        (r"C:\\new\\\nthen", "C:\\new\\\nthen"),
        (r"what does \d+ match?", r"what does \d+ match?"),
        (r"\# A title", "# A title"),
        (r"\\# is a heading", r"\# is a heading"),
        ("an issue #7", "an issue #7"),
        ("ends with \\", "ends with \\"),
        (r"\nhi\n", "\nhi\n"),
        ("früh\u2028morgens", "früh\u2028morgens"),
    ],
)
def test_a_line_is_an_example(line: str, example: str) -> None:
    assert parse_examples(line) == (example,)
    assert parse_examples(format_examples([example])) == (example,)


def test_blank_lines_and_comments_are_skipped_whatever_ends_the_lines() -> None:
    text = "# greetings\r\n\r\nHi\r\n   \n  # more\nHello\n"
    assert parse_examples(text) == ("Hi", "Hello")


@given(st.lists(st.text().map(str.strip).filter(bool)))
def test_what_is_written_is_read_as_it_was(examples: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in examples]
    text = format_examples(texts)
    assert parse_examples(text) == tuple(texts)
    assert text.count("\n") == len(texts)


@pytest.mark.parametrize("example", ["", "  ", "hi ", "\thi", "\u3000hi"])
def test_an_example_that_would_be_read_otherwise_is_not_written(example: str) -> None:
    with pytest.raises(ValueError, match="remove the blanks"):
        format_examples([example])


# ---- shipped files


def test_each_entry_of_the_default_policy_names_a_file_of_its_own_and_each_file_is_named() -> None:
    entries = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))
    assert {entry["examples_file"]: entry["name"] for entry in entries} == {
        name: name.removeprefix("builtin:") for name in shipped_names()
    }
    assert not any("examples" in entry for entry in entries)
    assert all(parse_examples(path.read_text(encoding="utf-8")) for path in SHIPPED.iterdir())


def test_a_route_of_any_name_takes_shipped_examples_with_its_own_behind_them(
    policy: Callable[..., RouteFile],
) -> None:
    examples = examples_of(policy(examples_file="builtin:translation", examples=["Auf Deutsch, bitte"]))
    assert examples[:-1] == parse_examples((SHIPPED / "translation.txt").read_text(encoding="utf-8"))
    assert examples[-1] == "Auf Deutsch, bitte"


def test_examples_that_no_route_serves_come_from_a_file_too(route_config: Path) -> None:
    other = {"name": "other", "examples_file": "builtin:other", "examples": ["mow the lawn"], "learned": ["water it"]}
    route_config.write_text(json.dumps([CHAT, other]))
    document = RouteFile(route_config).document()
    assert len(document.out_of_scope_examples) > 100
    assert document.out_of_scope_examples[-2:] == ("mow the lawn", "water it")


def test_a_route_without_the_key_has_the_examples_of_its_entry_only(policy: Callable[..., RouteFile]) -> None:
    assert examples_of(policy(name="translation", examples=["Hi"])) == ("Hi",)


# ---- files of one's own


def test_a_path_is_relative_to_the_policy_and_to_what_a_link_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policies"
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "chat.txt").write_text("# mine\nSalut ça va ?\n", encoding="utf-8")
    (folder / "mine.json").write_text(json.dumps([{**CHAT, "examples_file": "texts/chat.txt"}]))
    (tmp_path / "linked.json").symlink_to(folder / "mine.json")
    monkeypatch.chdir(tmp_path)
    for path in (folder / "mine.json", Path("policies/mine.json"), Path("linked.json")):
        assert examples_of(RouteFile(path)) == ("Salut ça va ?",)


def test_a_policy_that_is_not_a_file_reads_no_files_but_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    for name in (str(tmp_path / "secret.txt"), "../secret.txt", "builtin:../route_config", "builtin:/etc/passwd"):
        document = read_entries([{**CHAT, "examples_file": name}])
        assert document.routes[0].examples == ()
        assert repr(name) in document.warnings[0]
    assert len(read_entries([{**CHAT, "examples_file": "builtin:translation"}]).routes[0].examples) > 100


def test_the_import_of_a_history_opens_no_file_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def read(path: Path) -> tuple[str, ...]:
        opened.append(path)
        return ()

    monkeypatch.setattr(example_files, "_read", read)
    exported = tmp_path / "exported.json"
    entry = {**CHAT, "examples_file": "/etc/hostname", "models": [{"id": "acme/m1", "uses": 3}]}
    exported.write_text(json.dumps([entry]))
    assert read_export(exported) == [{"name": "chat", "models": entry["models"], "learned": ()}]
    assert opened == []
    assert parse_document(exported.read_text(), exported)
    assert opened == [Path("/etc/hostname")], "a policy of that text would read it"


# ---- files that cannot be used


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing.txt", "cannot be read"),
        ("builtin:tranlsation", "is not one of builtin:casual_conversation, "),
        ("builtin:", "is not one of"),
        ("", "'' is not a path"),
        (7, "7 is not a path"),
        (["a.txt"], "is not a path"),
        ("a\0b", "cannot be read"),
        (".", "is not a file"),
        ("pipe", "is not a file"),
        ("latin1.txt", "is not valid UTF-8 text (line 2)"),
        ("large.txt", "has 104,857,600 bytes; at most 4,194,304 are allowed"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_route_and_what_is_allowed(
    name: Any, fault: str, policy: Callable[..., RouteFile], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin1.txt").write_bytes(b"Hi\nGr\xfc\xdfe\n")
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(100 * 2**20)
    opened = policy(examples_file=name, examples=["Hi"])
    [warning] = opened.document().warnings
    assert warning.startswith("\"examples_file\" of route 'chat': it is ignored: ")
    assert fault in warning
    assert "a path relative to the policy, of a file of one example a line, or one of builtin:casual_" in warning
    if isinstance(name, str) and name.endswith(".txt"):
        assert str(tmp_path / name) in warning
    assert examples_of(opened) == ("Hi",)
    assert FileHistory(opened).record(USE), "the route is used all the same"


def test_a_file_of_a_route_that_is_skipped_is_not_read(tmp_path: Path) -> None:
    text = json.dumps([{"name": "mute", "examples_file": "missing.txt"}])
    [warning] = parse_document(text, tmp_path / "policy.json").warnings
    assert 'no "description"' in warning


# ---- files that change


def test_a_file_that_changes_is_read_again_and_one_that_does_not_is_not(
    policy: Callable[..., RouteFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chat.txt").write_text("Hi\n")
    file = policy(examples_file="chat.txt")
    assert examples_of(file) == ("Hi",)
    assert file.document() is file.document()
    (tmp_path / "chat.txt").write_text("Hi\nHello\n")
    assert examples_of(file) == ("Hi", "Hello")
    monkeypatch.setattr(example_files, "parse_examples", None)  # from here on nothing is read
    assert FileHistory(file).record(USE)
    assert examples_of(file) == ("Hi", "Hello")


def test_a_file_that_breaks_keeps_its_last_examples_with_one_warning_until_it_is_valid_again(
    policy: Callable[..., RouteFile], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = tmp_path / "chat.txt"
    mine.write_text("Hi\n")
    file = policy(examples_file="chat.txt")
    assert examples_of(file) == ("Hi",)
    mine.unlink()
    assert [examples_of(file) for _ in range(3)] == [("Hi",)] * 3
    [warning] = warned(caplog)
    assert f"{mine} cannot be read" in warning
    assert warning.endswith("still using its last valid examples")
    mine.write_text("Hello\n")
    assert examples_of(file) == ("Hello",)
    assert file.document().warnings == ()


def test_a_file_that_comes_later_is_read_when_it_is_there(policy: Callable[..., RouteFile], tmp_path: Path) -> None:
    file = policy(examples_file="chat.txt")
    assert examples_of(file) == ()
    (tmp_path / "chat.txt").write_text("Hi\n")
    assert examples_of(file) == ("Hi",)
