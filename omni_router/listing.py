"""What `--list-routes` shows. Nothing heavy is imported here: it answers in a fraction of a second."""

import json
import textwrap
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from omni_router.config.route_file import RouteFile
from omni_router.history.protocol import ModelRecord
from omni_router.selection.ranking import by_rank
from omni_router.terminal import WIDTH, line_width, paint

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
    lines, width = [f"Routes of {where}", ""], line_width() or WIDTH
    for route in routes:
        fallback = ", the fallback" if route.fallback else ""
        lines.append(f"{paint(route.name, 'bold')}  [{route.task}{fallback}]")
        lines.append(textwrap.fill(route.description, width, initial_indent="    ", subsequent_indent="    "))
        models = _models(file, route.name)
        lines += [f"    - {_told(model)}" for model in models] or ["    - no model used yet"]
    return "\n".join(lines)


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
