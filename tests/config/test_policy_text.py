"""How a policy is written: readable, the same for the same entries, and nothing lost."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_router.config import policy_text
from omni_router.config.policy_text import format_entries, format_entry, parse_entries
from omni_router.config.records import read_record
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.history import Feedback, UsageRecord
from omni_router.history.file import FileHistory
from tests.support.default_policy import entries_with_examples

WRITTEN = """\
[
  {
    "name": "chat",
    "description": "Grüße",
    "owner": {"team": ["a", "b"]},
    "examples": [
      "Hi",
      "Was geht?"
    ],
    "models": [
      "acme/by-hand",
      {"id": "acme/m1", "uses": 2, "failures": {"timeout": 1},
       "recent": ["2026-01-01T00:00:00Z answered 1.00s", "2026-01-01T00:00:09Z timeout 9.00s"], "median_seconds": 1.0,
       "decisions": ["2026-01-01T00:00:00Z 3f9a"]},
      {"id": "acme/m2", "recent": []}
    ],
    "learned": []
  },
  {
    "name": "other"
  }
]
"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
entries = st.dictionaries(st.text(max_size=8), json_values, max_size=5).map(lambda keys: {**keys, "name": "a"})


def use(second: int, model: str = "acme/m1", route: str = "code_generation") -> UsageRecord:
    at = f"2026-01-01T00:00:{second:02}Z"
    return UsageRecord(route, model, "why", at, seconds=1.0, decision=f"{second:032x}")


def test_the_layout_is_one_that_can_be_read() -> None:
    parsed = parse_entries(WRITTEN, Path("policy.json"))
    assert format_entries([format_entry(entry)[0] for entry in parsed]) == WRITTEN
    assert format_entries([]) == "[]\n"


@given(entries)
def test_whatever_an_entry_holds_is_read_again(entry: dict[str, Any]) -> None:
    text, _ = format_entry(entry)
    assert text.encode("utf-8")
    [again] = parse_entries(format_entries([text]), Path("policy.json"))
    assert repr(again) == repr(entry)  # which tells 1 from true, and knows the order of the keys


def test_the_default_policy_is_written_as_a_record_writes_it(route_config: Path) -> None:
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    RouteFile(route_config).update(lambda _: True)
    assert route_config.read_text(encoding="utf-8") == text


def test_the_file_that_the_first_record_writes_is_short(route_config: Path) -> None:
    assert FileHistory(RouteFile(route_config)).record(use(1))
    lines = route_config.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert route_config.stat().st_size < 8_000


def test_a_record_changes_the_lines_of_its_model_alone(route_config: Path) -> None:
    history = FileHistory(RouteFile(route_config))
    for model in ("acme/m1", "acme/m2"):
        history.record(use(1, model))
        history.record(use(2, model, "translation"))
    before = route_config.read_text(encoding="utf-8").splitlines()
    FileHistory(RouteFile(route_config)).record(use(3))  # as another process would write it
    history.record(use(4))
    after = route_config.read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed == list(range(changed[0], changed[0] + 3))
    assert '"id": "acme/m1"' in after[changed[0]]


def test_a_file_of_before_keeps_its_examples_and_every_key(route_config: Path) -> None:
    old = entries_with_examples()
    old[4]["note"] = ["by hand", 1, True, None]
    route_config.write_text(json.dumps(old, indent=2), encoding="utf-8")
    file = RouteFile(route_config)
    assert FileHistory(file).record(use(1))
    written = json.loads(route_config.read_text(encoding="utf-8"))
    assert written[4].pop("models")[0]["id"] == "acme/m1"
    assert written == old
    assert [list(route.examples) for route in file.routes()] == [entry["examples"] for entry in old[:-1]]
    assert list(file.out_of_scope_examples()) == old[-1]["examples"]


def test_an_edit_by_hand_between_two_records_survives_the_second(route_config: Path) -> None:
    history = FileHistory(RouteFile(route_config))
    history.record(use(1))
    written = route_config.read_text(encoding="utf-8")
    edited = written.replace('"fallback": true', '"fallback": 1').replace('"uses": 1', '"uses": 7, "note": "dear"')
    with route_config.open("r+", encoding="utf-8") as file:  # in place, as some editors do
        file.write(edited)
    history.record(use(2))
    entries = {entry["name"]: entry for entry in json.loads(route_config.read_text(encoding="utf-8"))}
    assert entries["question_answering"]["fallback"] == 1
    [model] = entries["code_generation"]["models"]
    assert (model["uses"], model["note"]) == (8, "dear")


def test_an_edit_that_shows_in_neither_time_nor_size_survives_a_record(route_config: Path) -> None:
    history = FileHistory(RouteFile(route_config))
    history.record(use(1))
    before = route_config.stat()
    edited = route_config.read_text(encoding="utf-8").replace("translating", "transposing")
    with route_config.open("r+", encoding="utf-8") as file:
        file.write(edited)
    os.utime(route_config, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = route_config.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)
    history.record(use(2))
    written = route_config.read_text(encoding="utf-8")
    assert "transposing" in written
    assert '"uses": 2' in written


def test_a_value_that_equals_another_but_means_something_else_is_an_edit(route_config: Path) -> None:
    chat = {"name": "chat", "description": "small talk", "fallback": 1}
    route_config.write_text(json.dumps([chat]))
    file = RouteFile(route_config)
    assert not file.routes()[0].fallback
    route_config.write_text(json.dumps([{**chat, "fallback": True}]))
    assert file.routes()[0].fallback


def test_what_was_read_is_not_changed_by_what_is_recorded(route_config: Path) -> None:
    file = RouteFile(route_config)
    history = FileHistory(file)
    history.record(use(1))
    history.add_feedback(Feedback("code_generation", "acme/m1", "should_be", "translation", "Auf Deutsch"))
    document = file.document()
    before = json.dumps(document.entries)
    history.record(use(2))
    history.record(use(3, "acme/m2"))
    history.add_feedback(Feedback("code_generation", "acme/m1", "should_be", "translation", "Auf Polnisch"))
    assert json.dumps(document.entries) == before
    assert len(document.models["code_generation"]) == 1
    assert len(file.document().models["code_generation"]) == 2


def test_a_record_formats_and_reads_the_model_that_it_changes_and_no_other(
    route_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = FileHistory(RouteFile(route_config))
    for number in range(20):
        history.record(use(number, f"acme/m{number}"))
        history.record(use(number, f"acme/m{number}", "translation"))
    read, written = [], []
    format_element = policy_text._format_element

    def reading(entry: Any) -> Any:
        read.append(entry["id"])
        return read_record(entry)

    def formatting(entry: Any) -> str:
        written.append(entry["id"])
        return format_element(entry)

    monkeypatch.setattr("omni_router.config.entries.read_record", reading)
    monkeypatch.setattr(policy_text, "_format_element", formatting)
    monkeypatch.setattr("omni_router.config.route_file.parse_entries", None)  # nothing is parsed
    assert history.record(use(30, "acme/m7"))
    assert (read, written) == (["acme/m7"], ["acme/m7"])
