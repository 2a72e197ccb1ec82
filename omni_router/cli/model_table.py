"""The table of `--list-models`: one line a model, and for a route one for each of its providers."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

from rich.measure import Measurement
from rich.table import Table

from omni_router.cli.console import UNLIMITED, console, print_wrapped, printable

GAP = 2  # between columns
# Of those that are ranked by score: the place on boards of how many models, and on how many boards.
NUMBERS = ("score", "boards", "quality", "available", "price")
TERMS = ("context", "$ in", "$ out", "tokens/s", "first ms", "tools")
COLUMNS = ("model", *NUMBERS, "providers", *TERMS, "order of choice")
SPEEDS = ("tokens/s", "first ms")  # left out first where the terminal is too narrow; --json has them

Row = Mapping[str, Any]  # a row of `selection.model_rows`, as JSON


def _lines(row: Row) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a model, and for a route those of each of its providers."""
    notes = notes_of(row)
    if row["place"]:
        notes.insert(0, f"number {row['place']}")
    names = map(itemgetter("provider"), row["providers"])
    yield (
        row["id"],
        *numbers_of(row["ranking"]),
        ", ".join(names) or "-",
        *terms_of(row["providers"]),
        "; ".join(notes),
    )
    if row["provider_rule"] is not None and len(row["providers"]) > 1:
        for entry in row["providers"]:
            yield ("", *numbers_of(None), entry["provider"], *terms_of([entry]), note_on(row, entry))


def notes_of(row: Row) -> list[str]:
    """Return the notes on a model, and why it may not be called."""
    if row["out"]:
        return [*row["notes"], f"out: {row['out']}"]
    return list(row["notes"])


def note_on(row: Row, entry: Mapping[str, Any]) -> str:
    """Return whether a provider is out or chosen, and why."""
    if entry["gate"]:
        return f"out: {entry['gate'].replace('_', ' ')}"
    if entry["provider"] == row["provider"]:
        return f"chosen: {row['provider_rule']}"
    return ""


def numbers_of(ranking: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the numbers of a score, in the order of `NUMBERS`."""
    if ranking is None:
        return ("",) * len(NUMBERS)
    place, price = "", ""
    if ranking["place_on_boards"] is not None:
        place = f"{ranking['place_on_boards']} of {ranking['models_on_boards']} ({ranking['boards']})"
    if ranking["price"] is not None:
        price = f"{ranking['price']:.2f}"
    return f"{ranking['score']:.3f}", place, f"{ranking['quality']:.2f}", f"{ranking['availability']:.2f}", price


# A cell is empty if no provider gives the figure; of several, the best one is shown.


def terms_of(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the largest context, the lowest prices and the best speeds, which need not be those of one provider."""
    return (
        _largest(_known(entries, "context_length")),
        _lowest(_known(entries, "input_price"), ".2f"),
        _lowest(_known(entries, "output_price"), ".2f"),
        _largest(_known(entries, "throughput")),
        _lowest(_known(entries, "first_token_latency_ms"), ",.0f"),
        _yes_or_no(_known(entries, "tools")),
    )


def _known(entries: Sequence[Mapping[str, Any]], field: str) -> list[Any]:
    """Return the values of a field where the providers give it."""
    return [value for value in map(itemgetter(field), entries) if value is not None]


def _largest(figures: Sequence[float]) -> str:
    if not figures:
        return ""
    return f"{max(figures):,.0f}"


def _lowest(figures: Sequence[float], form: str) -> str:
    if not figures:
        return ""
    return format(min(figures), form)


def _yes_or_no(answers: Sequence[bool]) -> str:
    if not answers:
        return ""
    return "yes" if any(answers) else "no"


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print one line per model on a pipe; on a terminal, wrap cells and print the order of choice below."""
    out = console()
    units = (
        "Of several providers the largest context, in tokens, the lowest prices, in US dollars per million tokens, "
        "and the best speeds."
    )
    print_wrapped(f"Models served for {title}. {units}\n", width=out.width)
    cells = [list(map(printable, line)) for row in rows for line in _lines(row)]
    on_terminal = out.width < UNLIMITED
    table = _table(cells, with_notes=not on_terminal)
    if _width(table) > out.width:
        table = _table(cells, with_notes=not on_terminal, without=SPEEDS)
    for_notes = out.width
    out.width = max(out.width, _width(table))  # ids and figures stay whole, also where the terminal is too narrow
    out.print(table)
    if on_terminal:
        _print_notes(cells, for_notes)


def _print_notes(cells: Sequence[Sequence[str]], width: int) -> None:
    name = ""
    for cell in cells:
        model, provider, text = cell[0], cell[COLUMNS.index("providers")], cell[-1]
        name = model or name
        if text:
            print_wrapped(f"{name}: {text}" if model else f"{name} through {provider}: {text}", width=width)


def _width(table: Table) -> int:
    """Return the columns of a terminal that a table needs at least."""
    out = console()
    return Measurement.get(out, out.options.update(max_width=UNLIMITED), table).minimum + GAP


def _table(cells: Sequence[Sequence[str]], *, with_notes: bool, without: Collection[str] = ()) -> Table:
    """Return a table of the columns in which something is known; only providers are wrapped."""
    known = list(map(any, zip(*cells, strict=True)))
    known[-1] &= with_notes
    known = [is_known and name not in without for name, is_known in zip(COLUMNS, known, strict=True)]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    providers = " ".join(row[COLUMNS.index("providers")] for row in cells)
    longest_provider = max(map(len, providers.split()))
    for name in compress(COLUMNS, known):
        if name == "providers":
            table.add_column(name, min_width=longest_provider)
        else:
            table.add_column(name, no_wrap=True)
    for row in cells:
        table.add_row(*compress(row, known))
    return table
