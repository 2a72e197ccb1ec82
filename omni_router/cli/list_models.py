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
    """Show what inference providers serve now for a task; of a route also how its history is ranked.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.services import open_catalog

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config)
    task, route = _task_and_route(file, list_models)
    catalog = open_catalog(environment, hf_token)
    status.begin("asking the Hub for models and providers")
    snapshot = catalog.snapshot(task)
    rows = [_Row(model) for model in snapshot.models]
    if route:
        rows = _with_history(rows, route, open_history(environment, file), catalog)
    status.end()
    if as_json:
        as_of = None if snapshot.at is None else write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))
        click.echo(json.dumps([{**row.as_json(), "as_of": as_of, "stale": snapshot.stale} for row in rows], indent=2))
    elif rows:
        _print_table(f"route {route.name}, task {task}" if route else f"task {task}", rows)
    for text in _notes(snapshot, task):
        note(text)
    return SERVED if snapshot.models else NONE_SERVED


def _task_and_route(file: RouteFile, wanted: str) -> tuple[str, Route | None]:
    name, routes = wanted.strip().casefold(), file.routes()
    if name in TASKS:
        return name, None
    if route := next((route for route in routes if route.name.casefold() == name), None):
        return route.task, route
    names = ", ".join(route.name for route in routes)
    raise ConfigurationError(f"--list-models takes a task ({', '.join(TASKS)}) or a route ({names}), not {wanted!r}")


@dataclass(frozen=True)
class _Row:
    """A model, and, where a route's history has it, its place in the order of choice."""

    model: CatalogModel
    place: int | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        offers = [asdict(offer) for offer in self.model.entries]
        return {"id": self.model.id, "providers": offers, "place": self.place, "notes": self.notes}

    def cells(self) -> tuple[str, ...]:
        """Return the largest context and the lowest prices, which need not be those of one provider."""
        offers = self.model.entries
        contexts = [offer.context_length for offer in offers if offer.context_length is not None]
        tools = [offer.tools for offer in offers if offer.tools is not None]
        takes_tools = "yes" if any(tools) else "no"
        place = [f"number {self.place}"] if self.place else []
        return (
            self.model.id,
            ", ".join(self.model.providers) or "-",
            f"{max(contexts):,}" if contexts else "",
            _lowest(offer.input_price for offer in offers),
            _lowest(offer.output_price for offer in offers),
            takes_tools if tools else "",
            "; ".join([*place, *self.notes]),
        )


def _lowest(prices: Iterable[float | None]) -> str:
    known = [price for price in prices if price is not None]
    return f"{min(known):.2f}" if known else ""


def _with_history(rows: Sequence[_Row], route: Route, history: History, catalog: HubCatalog) -> list[_Row]:
    """Put the models of the route's history first, in the order of choice; look up those in no list."""
    sandboxed = is_simulated()
    records = [r for r in history.models(route.name) if sandboxed or not is_sandbox_model(r["id"])]
    if not records:
        return list(rows)
    from omni_router.selection.order import cooling_down, rank_candidates

    served = {row.model.id: row.model for row in rows}
    waits, now = history.cooling(), datetime.now(timezone.utc)
    used = []
    for place, candidate in enumerate(rank_candidates(records, served.values(), cooldowns=waits, now=now), 1):
        if candidate["source"] != "history":
            continue
        model = served.pop(candidate["model"], None)
        unlisted = (
            None if model else catalog.check(candidate["model"], candidate["provider"], route.task, wait_for_fresh=True)
        )
        notes = (candidate["why"], cooling_down(candidate["model"], waits, now), _standing(unlisted))
        used.append(_Row(model or CatalogModel(candidate["model"], ()), place, tuple(filter(None, notes))))
    return [*used, *(_Row(model) for model in served.values())]


def _standing(check: Availability | None) -> str | None:
    """Return what the Hub knows of a model that is in none of its lists."""
    if check is None:
        return None
    if check.refused or not check.verified:
        return check.why
    return "served" if check.provider is None else f"served by {check.provider}"


def _print_table(title: str, rows: Sequence[_Row]) -> None:
    """Print a line a model on a pipe; on a terminal cells are wrapped, and the order of choice stands below."""
    out = console()
    units = "Context: the largest, in tokens. Prices: the lowest, in US dollars per million tokens."
    print_wrapped(f"Models served for {title}. {units}\n", width=out.width)
    cells = [[printable(cell) for cell in row.cells()] for row in rows]
    on_terminal = out.width < UNLIMITED
    table = _table(cells, with_notes=not on_terminal)
    least = Measurement.get(out, out.options.update(max_width=UNLIMITED), table).minimum
    for_notes = out.width
    out.width = max(out.width, least + GAP)  # ids and figures stay whole, also where the terminal is too narrow
    out.print(table)
    for row in cells if on_terminal else ():
        if row[-1]:
            print_wrapped(f"{row[0]}: {row[-1]}", width=for_notes)


def _table(cells: Sequence[Sequence[str]], *, with_notes: bool) -> Table:
    """Return a table of the columns in which something is known; only providers are wrapped."""
    known = [any(column) for column in zip(*cells, strict=True)]
    known[-1] &= with_notes
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    longest_provider = max(len(word) for row in cells for word in row[1].split())
    for name in compress(COLUMNS, known):
        if name == "providers":
            table.add_column(name, min_width=longest_provider)
        else:
            table.add_column(name, no_wrap=True)
    for row in cells:
        table.add_row(*compress(row, known))
    return table


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Return what is not as good as it could be."""
    if snapshot.stale and snapshot.at is not None:
        at = write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))
        yield f"the Hub did not answer; this list is from {at}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
