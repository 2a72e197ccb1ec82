"""The table of `--list-models`: one line a model, and for a route one for each of its providers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from operator import attrgetter
from typing import Any

from rich.measure import Measurement
from rich.table import Table

from omni_router.cli.console import UNLIMITED, console, print_wrapped, printable
from omni_router.hub.availability import choose, why_not
from omni_router.hub.capabilities import CatalogModel, ProviderEntry
from omni_router.hub.requirements import Requirements
from omni_router.selection.ranked_models import RankedModel

GAP = 2  # between columns
# Of those that are ranked by score: the place on boards of how many models, and on how many boards.
NUMBERS = ("score", "boards", "quality", "available", "price")
TERMS = ("context", "$ in", "$ out", "tokens/s", "first ms", "tools")
COLUMNS = ("model", *NUMBERS, "providers", *TERMS, "order of choice")
SPEEDS = ("tokens/s", "first ms")  # left out first where the terminal is too narrow; --json has them


@dataclass(frozen=True)
class Row:
    """A model; for a route also whether it may be called, and, where the history has it, its place in the order."""

    model: CatalogModel
    place: int | None = None
    notes: tuple[str, ...] = ()
    required: Requirements | None = None  # what the route requires
    ranked: RankedModel | None = None  # what its score consists of, where boards know models of the route

    def out(self) -> str | None:
        """Return why the model may not be called for the route."""
        if self.required is None or not self.model.entries:
            return None
        refused = why_not(self.model, self.required)
        return refused.why if refused else None

    def provider(self) -> str | None:
        """Return the provider that the route's preference names; None leaves the choice to Hugging Face."""
        if self.required is None or not self.model.entries or self.out():
            return None
        return choose(self.model, self.required).provider

    def as_json(self) -> dict[str, Any]:
        """Return the model with its providers, each with the gate that it does not pass."""
        providers = [{**asdict(entry), "gate": self._gate(entry)} for entry in self.model.entries]
        return {
            "id": self.model.id,
            "providers": providers,
            "place": self.place,
            "notes": self.notes,
            "out": self.out(),
            "provider": self.provider(),
            "ranking": ranking_as_json(self.ranked) if self.ranked else None,
        }

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the model, and for a route those of each of its providers."""
        notes = list(self.notes)
        if self.place:
            notes.insert(0, f"number {self.place}")
        if out := self.out():
            notes.append(f"out: {out}")
        numbers = numbers_of(self.ranked)
        providers, terms = ", ".join(self.model.providers) or "-", terms_of(self.model.entries)
        yield (self.model.id, *numbers, providers, *terms, "; ".join(notes))
        if self.required is not None and len(self.model.entries) > 1:
            for entry in self.model.entries:
                yield ("", *numbers_of(None), entry.provider, *terms_of([entry]), self._note(entry))

    def provider_notes(self) -> Iterator[tuple[str, str]]:
        """Yield the providers of a model that are out, unless all are, each with the gate that it does not pass."""
        if not self.out():
            for entry in self.model.entries:
                if self._gate(entry):
                    yield entry.provider, self._note(entry)

    def _gate(self, entry: ProviderEntry) -> str | None:
        if self.required is None:
            return None
        refused = why_not(CatalogModel(self.model.id, (entry,)), self.required)
        return refused.gate if refused else None

    def _note(self, entry: ProviderEntry) -> str:
        if gate := self._gate(entry):
            return f"out: {gate.replace('_', ' ')}"
        if self.required and entry.provider == self.provider():
            return f"chosen: {self.required.provider_rule}"
        return ""


def numbers_of(ranked: RankedModel | None) -> tuple[str, ...]:
    """Return the numbers of a score, in the order of `NUMBERS`."""
    if ranked is None:
        return ("",) * len(NUMBERS)
    score, standing = ranked.score, ranked.standing
    price = ranked.terms.price
    return (
        f"{score.total:.3f}",
        f"{standing.place} of {standing.of} ({score.facts.strength.boards})" if standing else "",
        f"{score.quality:.2f}",
        f"{score.availability:.2f}",
        "" if price is None else f"{price:.2f}",
    )


def ranking_as_json(ranked: RankedModel) -> dict[str, Any]:
    """Return the numbers of a score."""
    score, facts = ranked.score, ranked.score.facts
    return {
        "score": round(score.total, 4),
        "place_on_boards": ranked.standing.place if ranked.standing else None,
        "models_on_boards": ranked.standing.of if ranked.standing else None,
        "boards": facts.strength.boards,
        "prior": round(score.prior, 4),
        "quality": round(score.quality, 4),
        "availability": round(score.availability, 4),
        "price": ranked.terms.price,
        "price_term": round(score.price_term, 4),
        "latency_term": round(score.latency_term, 4),
        "trial_term": round(score.trial_term, 4),
    }


# A cell is empty if no provider gives the figure; of several, the best one is shown.


def terms_of(entries: Sequence[ProviderEntry]) -> tuple[str, ...]:
    """Return the largest context, the lowest prices and the best speeds, which need not be those of one provider."""
    return (
        _largest(_known(entries, "context_length")),
        _lowest(_known(entries, "input_price"), ".2f"),
        _lowest(_known(entries, "output_price"), ".2f"),
        _largest(_known(entries, "throughput")),
        _lowest(_known(entries, "first_token_latency_ms"), ",.0f"),
        _yes_or_no(_known(entries, "tools")),
    )


def _known(entries: Sequence[ProviderEntry], field: str) -> list[Any]:
    """Return the values of a field where the providers give it."""
    return [value for value in map(attrgetter(field), entries) if value is not None]


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
    cells = [list(map(printable, line)) for row in rows for line in row.lines()]
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
