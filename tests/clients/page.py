"""The page of clients: what worked when each was driven last, kept in drives.json, as a table."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypedDict

from tests.clients.registry import CLIENTS, FEATURES, Client

DRIVES = Path(__file__).with_name("drives.json")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
HEADINGS = ("client", "version", "interface", *FEATURES, "driven")
MARKER = "<!-- `python -m tests.clients` writes what follows -->\n"
WORKS, NOT_OFFERED, FAILS = "✓", "\N{EN DASH}", "✗"


class Drive(TypedDict):
    """What a drive of one client showed."""

    date: str
    version: str
    works: list[str]


def read_drives() -> dict[str, Drive]:
    """Return the last drive of each client, by its key."""
    if not DRIVES.exists():
        return {}
    drives: dict[str, Drive] = json.loads(DRIVES.read_text(encoding="utf-8"))
    return drives


def record(client: Client, works: Sequence[str]) -> None:
    """Note a drive of today in the file, which has the order of the registry."""
    drives = read_drives()
    drives[client.key] = Drive(date=date.today().isoformat(), version=client.version, works=list(works))  # noqa: DTZ011
    ordered = {each.key: drives[each.key] for each in CLIENTS if each.key in drives}
    DRIVES.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def rendered(drives: Mapping[str, Drive], clients: Sequence[Client] = CLIENTS) -> str:
    """Return the page: what is written by hand, then the table, then the reasons that it refers to."""
    head, marker, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
    notes: list[str] = []
    lines = [_row(HEADINGS), _row(["---"] * len(HEADINGS))]
    lines += [_row(_cells(client, drives[client.key], notes)) for client in clients if client.key in drives]
    reasons = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return head + marker + "\n".join(["", *lines, "", *reasons]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(client: Client, drive: Drive, notes: list[str]) -> Iterator[str]:
    """Yield the cells of a row, and append to the notes what a cell refers to."""
    yield from (client.name, drive["version"], client.interface)
    for feature in FEATURES:
        yield _sign(client, drive, feature) + _reference(client, feature, notes)
    yield "by CI" if client.quick else drive["date"]


def _sign(client: Client, drive: Drive, feature: str) -> str:
    if feature in drive["works"]:
        return WORKS
    return NOT_OFFERED if feature in client.lacks else FAILS


def _reference(client: Client, feature: str, notes: list[str]) -> str:
    """Return the number of the note about a feature, a new one at its first use; nothing without a note."""
    note = {**client.notes, **client.lacks, **client.faults}.get(feature)
    if note is None:
        return ""
    if note not in notes:
        notes.append(note)
    return f"<sup>{notes.index(note) + 1}</sup>"
