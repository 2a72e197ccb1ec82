"""`--list-models`: what inference providers serve now for a task, and how a route ranks its own."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import compress
from typing import Any

import click
from rich.measure import Measurement
from rich.table import Table

from omni_router.cli.console import UNLIMITED, console, note, print_wrapped, printable, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Route
from omni_router.errors import ConfigurationError
from omni_router.history import History
from omni_router.history.cooldowns import write_time
from omni_router.hub.catalog import Availability, CatalogModel, CatalogSnapshot, HubCatalog
from omni_router.model_id import is_sandbox_model
from omni_router.services.history import open_history
from omni_router.simulation import is_simulated
from omni_router.tasks import TASKS

SERVED, NONE_SERVED = 0, 1
GAP = 2  # between columns
COLUMNS = ("model", "providers", "context", "$ in", "$ out", "tools", "order of choice")


def run(ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Show what inference providers serve now for a task; for a route, also how its history is ranked.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.services import open_catalog

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    task, route = _task_and_route(file, list_models)
    catalog = open_catalog(environment, hf_token)
    status.begin("asking the Hub for models and providers")
    snapshot = catalog.snapshot(task)
    title = f"task {task}"
    rows = [_Row(model) for model in snapshot.models]
    if route:
        title = f"route {route.name}, {title}"
        rows = _with_history(rows, route, open_history(environment, file), catalog)
    status.end()
    if as_json:
        _print_json(rows, snapshot)
    elif rows:
        _print_table(title, rows)
    for text in _notes(snapshot, task):
        note(text)
    return SERVED if snapshot.models else NONE_SERVED


def _task_and_route(file: RouteFile, name: str) -> tuple[str, Route | None]:
    folded, routes = name.strip().casefold(), file.routes()
    if folded in TASKS:
        return folded, None
    for route in routes:
        if route.name.casefold() == folded:
            return route.task, route
    names = ", ".join(route.name for route in routes)
    raise ConfigurationError(f"--list-models takes a task ({', '.join(TASKS)}) or a route ({names}), not {name!r}")


def _print_json(rows: "Sequence[_Row]", snapshot: CatalogSnapshot) -> None:
    freshness = {"as_of": _as_of(snapshot), "stale": snapshot.stale}
    models = [row.as_json() | freshness for row in rows]
    click.echo(json.dumps(models, indent=2))


def _as_of(snapshot: CatalogSnapshot) -> str | None:
    """Return the time of the oldest list in a snapshot."""
    if snapshot.at is None:
        return None
    return write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))


@dataclass(frozen=True)
class _Row:
    """A model, and, where a route's history has it, its place in the order of choice."""

    model: CatalogModel
    place: int | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        providers = list(map(asdict, self.model.entries))
        return {"id": self.model.id, "providers": providers, "place": self.place, "notes": self.notes}

    def cells(self) -> tuple[str, ...]:
        """Return the largest context and the lowest prices, which need not be those of one provider."""
        entries = self.model.entries
        notes = list(self.notes)
        if self.place:
            notes.insert(0, f"number {self.place}")
        return (
            self.model.id,
            ", ".join(self.model.providers) or "-",
            _largest(entry.context_length for entry in entries),
            _lowest(entry.input_price for entry in entries),
            _lowest(entry.output_price for entry in entries),
            _yes_or_no(entry.tools for entry in entries),
            "; ".join(notes),
        )


# A cell is empty if no provider gives the figure.


def _largest(contexts: Iterable[int | None]) -> str:
    known = [context for context in contexts if context is not None]
    if not known:
        return ""
    return f"{max(known):,}"


def _lowest(prices: Iterable[float | None]) -> str:
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    return f"{min(known):.2f}"


def _yes_or_no(answers: Iterable[bool | None]) -> str:
    distinct = set(answers)
    if True in distinct:
        return "yes"
    if False in distinct:
        return "no"
    return ""


def _with_history(rows: Sequence[_Row], route: Route, history: History, catalog: HubCatalog) -> list[_Row]:
    """Sort the models of the route's history first, in the order of choice; look up those that are in no list."""
    records = list(history.models(route.name))
    if not is_simulated():
        records = [record for record in records if not is_sandbox_model(record["id"])]
    if not records:
        return list(rows)
    from omni_router.selection.order import cooling_down, rank_candidates

    served = {row.model.id: row.model for row in rows}
    cooldowns, now = history.cooling(), datetime.now(timezone.utc)
    used: list[_Row] = []
    for place, candidate in enumerate(rank_candidates(records, served.values(), cooldowns=cooldowns, now=now), 1):
        if candidate["source"] != "history":
            continue
        name = candidate["model"]
        notes = [candidate["why"], cooling_down(name, cooldowns, now)]
        model = served.pop(name, None)
        if model is None:
            model = CatalogModel(name, ())
            check = catalog.check(name, candidate["provider"], route.task, wait_for_fresh=True)
            notes.append(_standing(check))
        used.append(_Row(model, place, tuple(filter(None, notes))))
    return [*used, *map(_Row, served.values())]


def _standing(check: Availability) -> str | None:
    """Return what the Hub knows about a model that is not in any of its lists."""
    if check.refused or not check.verified:
        return check.why
    if check.provider is None:
        return "served"
    return f"served by {check.provider}"


def _print_table(title: str, rows: Sequence[_Row]) -> None:
    """Print one line per model on a pipe; on a terminal, wrap cells and print the order of choice below."""
    out = console()
    units = "Context: the largest, in tokens. Prices: the lowest, in US dollars per million tokens."
    print_wrapped(f"Models served for {title}. {units}\n", width=out.width)
    cells = [list(map(printable, row.cells())) for row in rows]
    on_terminal = out.width < UNLIMITED
    table = _table(cells, with_notes=not on_terminal)
    least = Measurement.get(out, out.options.update(max_width=UNLIMITED), table).minimum
    for_notes = out.width
    out.width = max(out.width, least + GAP)  # ids and figures stay whole, also where the terminal is too narrow
    out.print(table)
    for row in cells:
        if on_terminal and row[-1]:
            print_wrapped(f"{row[0]}: {row[-1]}", width=for_notes)


def _table(cells: Sequence[Sequence[str]], *, with_notes: bool) -> Table:
    """Return a table of the columns in which something is known; only providers are wrapped."""
    known = list(map(any, zip(*cells, strict=True)))
    known[-1] &= with_notes
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    providers = " ".join(row[1] for row in cells)
    longest_provider = max(map(len, providers.split()))
    for name in compress(COLUMNS, known):
        if name == "providers":
            table.add_column(name, min_width=longest_provider)
        else:
            table.add_column(name, no_wrap=True)
    for row in cells:
        table.add_row(*compress(row, known))
    return table


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Yield what is missing or old in a snapshot."""
    if snapshot.stale and snapshot.at is not None:
        yield f"the Hub did not answer; this list is from {_as_of(snapshot)}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
