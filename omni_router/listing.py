"""What `--list-routes` and `--list-models` show. Nothing heavy is imported: it answers in a fraction of a second."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError
from omni_router.history.protocol import ModelRecord
from omni_router.history.rank import by_rank
from omni_router.tasks import TASKS

if TYPE_CHECKING:
    from omni_router.inference.catalog import CatalogModel, Offer

CORE_PACKAGES = ("langgraph", "langchain-huggingface", "torch", "transformers", "huggingface_hub", "Pillow")
KEYS = ("id", "first_seen", "last_used", "last_reason", "uses")


def core_versions() -> dict[str, str | None]:
    """Give the version of each core package; None for a missing one."""
    return {name: _version(name) for name in CORE_PACKAGES}


def routes_as_json(file: RouteFile) -> str:
    """Give the routes and their models as one JSON array."""
    return json.dumps([_route(file, route) for route in file.routes()], indent=2)


def routes_as_text(file: RouteFile) -> str:
    """Give the routes and their models for a person to read."""
    routes = file.routes()  # first: an unusable path is told by it
    where = str(file.path) if file.path.exists() else f"the packaged default ({file.path} does not exist yet)"
    lines = [f"Routes of {where}", ""]
    for route in routes:
        lines.append(f"{route.name}  [{route.task}]")
        lines.append(textwrap.fill(route.description, 100, initial_indent="    ", subsequent_indent="    "))
        models = _models(file, route.name)
        lines += [f"    - {_told(model)}" for model in models] or ["    - no model used yet"]
    return "\n".join(lines)


def list_models(environment: Environment, args: argparse.Namespace) -> int:
    """Show what inference providers serve now for a task, or for the task of a route.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.services import open_catalog

    task = _task(RouteFile(environment.route_config), args.list_models)
    models = open_catalog(environment, args.hf_token).all_models(task)
    if args.json:
        print(json.dumps([_as_json(model) for model in models], indent=2))
    elif models:
        print(_as_table(task, models))
    return 0 if models else 1


def _task(file: RouteFile, wanted: str) -> str:
    tasks = {task.casefold(): task for task in TASKS} | {route.name.casefold(): route.task for route in file.routes()}
    if task := tasks.get(wanted.strip().casefold()):
        return task
    raise ConfigurationError(f"--list-models takes a task or a route, not {wanted!r}; there are {', '.join(tasks)}")


def _as_json(model: "CatalogModel") -> dict[str, Any]:
    keys = ("provider", "context_length", "input_price", "output_price", "tools")
    return {"id": model.id, "providers": [{key: getattr(offer, key) for key in keys} for offer in model.offers]}


def _as_table(task: str, models: Sequence["CatalogModel"]) -> str:
    head = ("model", "provider", "context", "$ in", "$ out", "tools")
    rows = [head, *(_row(model.id, offer) for model in models for offer in model.offers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"Served for {task} right now; prices in US dollars for a million tokens", "", *lines])


def _row(model: str, offer: "Offer") -> tuple[str, ...]:
    prices = ("" if price is None else f"{price:.2f}" for price in (offer.input_price, offer.output_price))
    context = "" if offer.context_length is None else f"{offer.context_length:,}"
    return (model, offer.provider, context, *prices, {True: "yes", False: "no", None: ""}[offer.tools])


def _route(file: RouteFile, route: Any) -> dict[str, Any]:
    models = [{key: model.get(key) for key in KEYS} for model in _models(file, route.name)]
    return {"name": route.name, "task": route.task, "description": route.description, "models": models}


def _models(file: RouteFile, route: str) -> list[ModelRecord]:
    return by_rank(file.document().models.get(route.casefold(), ()), datetime.now(timezone.utc))


def _told(model: ModelRecord) -> str:
    used = f"last used {model['last_used']}, {model['uses']} in all" if "last_used" in model else "not used yet"
    failure = f"; last failed {f['at']}: {f['kind']}" if (f := model.get("last_failure")) else ""
    return f"{model['id']}  ({used}{failure})"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
