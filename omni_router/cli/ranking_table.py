"""The ranking of a route on a terminal: one line a model, what each column means, and why each has its place.

Where the terminal is too narrow for that, a model has its id on a line of its own, and its figures below.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

from rich.measure import Measurement
from rich.table import Table

from omni_router.cli.console import UNLIMITED, console, print_line, print_wrapped, printable
from omni_router.cli.model_table import Row, note_on, notes_of, numbers_of, terms_of

GAP = 2  # between columns
FIGURES = ("score", "boards", "quality", "available", "price", "tokens/s", "first ms", "context", "tools")
COLUMNS = ("", "model", *FIGURES[:5], "provider", *FIGURES[5:])
IN_LINE_OF_ID = ("", "model", "provider")
TEXTS = ("model", "boards", "provider", "tools")  # stand on the left of their columns, figures on the right
LEFT_OUT = ("first ms", "tools")  # one after the other, where the terminal is too narrow; --json has them
LEGEND: Mapping[str, str] = {
    "score": "available x quality, less something for the price (prefer is {prefer} here; 0, or best, ignores the "
    "price), for slowness and for bad ratings. The highest comes first; within {tie_with_price:g} of it ({tie:g} "
    "where the price is ignored), the newest does, or else the one that the Hub lists first.",
    "boards": "place among the models of the route on published benchmarks, and in brackets on how many of them.",
    "quality": "from 0 to 1, what boards let expect, corrected by good and bad ratings (--feedback). A point is 0.01.",
    "available": "from 0 to 1, how likely a call is answered: 0.95 for a model that was not called yet.",
    "price": "US dollars for a million tokens, three of four of them read and one written.",
    "provider": "the one that is expected to answer, whose price and speed these are; in brackets, of how many.",
    "tokens/s": "tokens written in a second.",
    "first ms": "milliseconds to the first token.",
    "context": "tokens of the longest conversation.",
    "tools": "whether it can call tools.",
}


def print_ranking(title: str, rows: Sequence[Row], prefer: str | float) -> None:
    """Print the models of a route in the order of choice.

    Args:
        title: the route and its task.
        rows: the models.
        prefer: the route's preference.
    """
    out = console()
    print_wrapped(f"Models for {title}, in the order in which they are called.\n", width=out.width)
    cells = list(map(_cells, rows))
    names = [name for name in COLUMNS if any(row[name] for row in cells)]
    table = _table(cells, names)
    for left_out in LEFT_OUT:
        if _width(table) > out.width and left_out in names:
            names.remove(left_out)
            table = _table(cells, names)
    if _width(table) <= out.width:
        out.print(table)
    else:
        _print_stacked(cells, names)
    _print_reasons(rows, out.width)
    print_legend(names, prefer, out.width)


def print_legend(names: Sequence[str], prefer: str | float, width: int) -> None:
    """Print what each of these columns means."""
    from omni_router.selection.scoring import TIE, TIE_WITH_PRICE  # the Hub's client comes with it

    facts = {"prefer": prefer, "tie": TIE, "tie_with_price": TIE_WITH_PRICE}
    print_line("\nThe columns")
    for name, text in LEGEND.items():
        if name in names:
            print_wrapped(f"{name}: {text.format(**facts)}", width=width, indent=2)


def _cells(row: Row) -> dict[str, str]:
    """Return the cells of a model by column; where one provider is expected to answer, the terms are its own."""
    entries = row["providers"]
    names = list(map(itemgetter("provider"), entries))
    name, expected = ", ".join(names), row["expected_provider"]
    if expected is not None:
        entries, name = [entries[names.index(expected)]], expected
        if len(names) > 1:
            name = f"{name} ({len(names)})"
    context, _, _, speed, first, tools = terms_of(entries)
    figures = (*numbers_of(row["ranking"]), speed, first, context, tools)
    place = f"{row['place']}." if row["place"] else ""
    return {"": place, "model": row["id"], "provider": name, **dict(zip(FIGURES, figures, strict=True))}


def _table(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, justify="left" if name in TEXTS else "right")
    for row in cells:
        table.add_row(*map(printable, itemgetter(*names)(row)))
    return table


def _width(table: Table) -> int:
    """Return the columns of a terminal that a table needs."""
    out = console()
    return Measurement.get(out, out.options.update(max_width=UNLIMITED), table).maximum


def _print_stacked(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> None:
    """Print each model's id and provider on a line, and its figures below."""
    figures = [name for name in names if name not in IN_LINE_OF_ID]
    widths: dict[str, int] = {}
    for name in figures:
        widths[name] = max(len(name), *map(len, map(itemgetter(name), cells)))
    print_line((_line(dict(zip(figures, figures, strict=True)), widths), "bold"))
    for row in cells:
        through = f" through {row['provider']}" if row["provider"] else ""
        print_line((f"{row['']} {row['model']}".strip(), "bold"), through)
        if line := _line(row, widths):
            print_line(line)


def _line(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    padded = []
    for name, width in widths.items():
        cell = cells[name].ljust(width) if name in TEXTS else cells[name].rjust(width)
        padded.append(cell)
    return (GAP * " ").join(padded).rstrip()


def _print_reasons(rows: Sequence[Row], width: int) -> None:
    """Print why each model has its place or none; models for which that is the same share a paragraph."""
    print_line("\nWhy")
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        name = row["id"]
        if row["place"]:
            name = f"{row['place']}. {name}"
        for reason in _reasons(row):
            by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        print_wrapped(f"{', '.join(map(printable, names))}: {printable(reason)}", width=width, indent=2)


def _reasons(row: Row) -> Iterator[str]:
    """Yield why a model has its place or none; its providers that are out are named, unless all are."""
    if notes := notes_of(row):
        yield "; ".join(notes)
    for entry in row["providers"]:
        if entry["gate"] and not row["out"]:
            yield f"{entry['provider']} is {note_on(row, entry)}"
