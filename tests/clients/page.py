"""The page of clients: what worked when each was driven last, kept in drives.json, as a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypedDict

from tests.clients.registry import CLIENTS, FEATURES, Client

DRIVES = Path(__file__).with_name("drives.json")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
HEADINGS = ("client", "version", "interface", *FEATURES, "driven")
HEAD = """# Clients

Each row is a real client, driven against the sandbox by [its program]({drivers}): no mock, no recorded traffic. CI drives
those that the test environment has on every change; the others were driven on the date shown, each in an environment of its
own. `make clients` drives all and writes this page.

- ✓ works; – is not offered by the client, for the reason below; ✗ fails in the client, for the reason below
- `chat`: an answer, and one to a conversation that holds it. `stream`: the answer in pieces. `tools`: a tool is called, and
  its result answered. `images`: an image in the prompt reaches a model that sees. `structured`: JSON by a schema, or an object
  of a class. `cancel`: an answer is left in the middle, and the server answers the next request. `error`: a failure arrives as
  the client's own exception or status, with the server's reason.

"""


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


def record(drives: dict[str, Drive], client: Client, works: Sequence[str]) -> None:
    """Note a drive of today, and write all to the file, in the order of the registry."""
    drives[client.key] = Drive(date=date.today().isoformat(), version=client.version, works=list(works))  # noqa: DTZ011
    ordered = {each.key: drives[each.key] for each in CLIENTS if each.key in drives}
    DRIVES.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def rendered(drives: Mapping[str, Drive], clients: Sequence[Client] = CLIENTS) -> str:
    """Return the page."""
    notes: list[str] = []
    lines = [_row(HEADINGS), _row(["---"] * len(HEADINGS))]
    lines += [_row(_cells(client, drives[client.key], notes)) for client in clients if client.key in drives]
    reasons = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    head = HEAD.format(drivers="https://docs.python.org")
    return head + "\n".join([*lines, "", *reasons]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(client: Client, drive: Drive, notes: list[str]) -> Iterator[str]:
    """Yield the cells of a row, and append to the notes what a cell refers to."""
    yield from (client.name, drive["version"], client.interface)
    for feature in FEATURES:
        yield _sign(client, drive, feature) + _reference(client, feature, notes)
    yield "by CI" if client.quick else drive["date"]


def _sign(client: Client, drive: Drive, feature: str) -> str:
    if feature in drive["works"]:
        return "✓"
    return "–" if feature in client.lacks else "✗"


def _reference(client: Client, feature: str, notes: list[str]) -> str:
    """Return the number of the note about a feature, a new one at its first use; nothing without a note."""
    note = {**client.notes, **client.lacks, **client.faults}.get(feature)
    if note is None:
        return ""
    if note not in notes:
        notes.append(note)
    return f"<sup>{notes.index(note) + 1}</sup>"
