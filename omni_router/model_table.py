"""The table of `--list-models`: one line per model where there is room, else folded so that ids stay whole."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
INDENT = "    "
NARROWEST = 60  # columns; a narrower terminal wraps the lines itself


class Row(NamedTuple):
    """What is shown of one model; an empty text where nothing is known."""

    model: str
    providers: Sequence[str]
    facts: tuple[str, ...]  # below FACTS
    notes: str


FACTS = ("context", "$ in", "$ out", "tools")
HEAD = Row("model", ("providers",), FACTS, "order of choice")


def format_table(rows: Sequence[Row], width: int | None = None) -> list[str]:
    """Return the lines of a table, the first of which is its head; None for lines as long as they get."""
    wide = _wide([HEAD, *rows])
    if width is None or max(map(len, wide)) <= width:
        return wide
    return _folded([HEAD, *rows], max(width, NARROWEST))


def _wide(rows: Sequence[Row]) -> list[str]:
    models = _padded([row.model for row in rows])
    providers = _padded([", ".join(row.providers) or "-" for row in rows])
    columns = [models, providers, *_fact_columns(rows)]
    if any(row.notes for row in rows[1:]):
        columns.append([row.notes for row in rows])
    return [GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _folded(rows: Sequence[Row], width: int) -> list[str]:
    """Shorten providers, put an id that is too long on a line of its own, and notes below their model."""
    facts = _fact_columns(rows)
    room = width - sum(len(GAP) + len(column[0]) for column in facts)
    longest_id = max(len(row.model) for row in rows)
    longest_providers = max(len(_shortened(row.providers, width)) for row in rows)
    shortest_providers = max(len(_shortened(row.providers, 0)) for row in rows)
    for_providers = min(longest_providers, max(shortest_providers, room - longest_id - len(GAP)))
    for_model = min(longest_id, room - for_providers - len(GAP))
    lines = []
    for number, row in enumerate(rows):
        providers = _shortened(row.providers, for_providers).ljust(for_providers)
        rest = GAP.join([providers, *(column[number] for column in facts)])
        if len(row.model) > for_model:
            lines.append(row.model)
        beside = row.model if len(row.model) <= for_model else ""
        lines.append(f"{beside.ljust(for_model)}{GAP}{rest}".rstrip())
        if row is not HEAD:
            lines += textwrap.wrap(row.notes, width, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines


def _fact_columns(rows: Sequence[Row]) -> list[list[str]]:
    """Return the columns in which something is known of any model."""
    columns = zip(*(row.facts for row in rows), strict=True)
    return [_padded(column) for column in columns if any(column[1:])]


def _padded(cells: Sequence[str]) -> list[str]:
    width = max(map(len, cells))
    return [cell.ljust(width) for cell in cells]


def _shortened(providers: Sequence[str], width: int) -> str:
    """Return as many providers as there is room for, at least one, and how many more there are."""
    text = "-"
    for shown in range(len(providers), 0, -1):
        more = len(providers) - shown
        text = ", ".join(providers[:shown]) + (f" +{more}" if more else "")
        if len(text) <= width:
            break
    return text
