"""The policy: which routes there are. Reads the entries of route_config.json, and reports what is wrong with them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from omni_router.config.records import ModelRecord, read_record
from omni_router.errors import PolicyFileError
from omni_router.tasks import OTHER, TASKS, default_task

DEFAULT_POLICY = Path(__file__).with_name("route_config.json")


@dataclass(frozen=True)
class Route:
    """A named kind of request."""

    name: str
    task: str  # a key of TASKS
    description: str
    examples: tuple[str, ...] = ()
    fallback: bool = False  # takes the requests that fit no route, unless a run names another fallback


class Policy(Protocol):
    """Where the routes come from."""

    def routes(self) -> Sequence[Route]:
        """Return the routes, without `other`."""
        ...


def out_of_scope_examples_of(policy: Policy) -> tuple[str, ...]:
    """Return the requests that no route serves, from a policy that has this optional method."""
    method = getattr(policy, "out_of_scope_examples", None)
    if method is None:
        return ()
    return tuple(method())


@dataclass(frozen=True)
class Document:
    """A route_config.json as read: its raw entries, to be written back, and what they mean."""

    entries: list[dict[str, Any]]
    routes: tuple[Route, ...]
    models: dict[str, tuple[ModelRecord, ...]]  # records by the case-folded name of the route
    learned: dict[str, tuple[str, ...]]  # the requests that feedback made examples, by the same names
    out_of_scope_examples: tuple[str, ...]  # the examples of `other`: requests that no route serves
    warnings: tuple[str, ...]


def parse_document(text: str, path: Path) -> Document:
    """Read the text of a route_config.json, and what its entries mean.

    Raises:
        PolicyFileError: it is not a JSON array of objects with names of their own.
    """
    return read_entries(parse_entries(text, path))


def read_entries(entries: list[dict[str, Any]]) -> Document:
    """Read what entries mean; parts that are wrong are skipped, and reported in `warnings`."""
    warnings: list[str] = []
    routes: list[Route] = []
    for entry in entries:
        route = _route(entry, warnings)
        if route:
            routes.append(route)
    with_fallback = _one_fallback(routes, warnings)
    models: dict[str, tuple[ModelRecord, ...]] = {}
    learned: dict[str, tuple[str, ...]] = {}
    out_of_scope: tuple[str, ...] = ()
    for entry in entries:
        key = entry["name"].strip().casefold()
        models[key] = _models(entry, warnings)
        learned[key] = _texts(entry, "learned", warnings)
        if key == OTHER:
            out_of_scope = _texts(entry, "examples", warnings)
    out_of_scope += learned.get(OTHER, ())
    return Document(entries, with_fallback, models, learned, out_of_scope, tuple(warnings))


def parse_entries(text: str, path: Path) -> list[dict[str, Any]]:
    """Read the text of a route_config.json, without what its entries mean.

    Raises:
        PolicyFileError: it is not a JSON array of objects with names of their own.
    """
    entries = []
    line_of: dict[str, int] = {}
    for entry, line in _elements(text, path):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise PolicyFileError(path, 'this entry has no "name"', line)
        if first := line_of.get(name.strip().casefold()):
            raise PolicyFileError(path, f"the name {name!r} is already used in line {first}", line)
        line_of[name.strip().casefold()] = line
        entries.append(entry)
    return entries


def _elements(text: str, path: Path) -> list[tuple[Any, int]]:
    """Split a JSON array into its elements, each with the line it starts in."""
    decoder = json.JSONDecoder()
    try:
        if not isinstance(json.loads(text), list):
            raise PolicyFileError(path, "not a JSON array of routes", 1)
    except json.JSONDecodeError as error:
        raise PolicyFileError(path, f"not JSON: {error.msg} (column {error.colno})", error.lineno) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        raise PolicyFileError(path, f"cannot be read as JSON: {error}") from error
    elements, at, line, counted = [], text.index("[") + 1, 1, 0
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at  # counted from where the last element began
        element, at = decoder.raw_decode(text, at)
        elements.append((element, line))
    return elements


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _route(entry: dict[str, Any], warnings: list[str]) -> Route | None:
    name = entry["name"].strip()
    if name.casefold() == OTHER:  # kept in the file, never offered
        return None
    description, task = entry.get("description"), entry.get("task")
    if task is None:
        task = default_task(name.casefold())
    if not isinstance(task, str) or task not in TASKS:
        warnings.append(f"route {name!r} is skipped: task {task!r} is not one of {', '.join(TASKS)}")
        return None
    if not isinstance(description, str) or not description.strip():
        warnings.append(f'route {name!r} is skipped: it has no "description"')
        return None
    fallback = entry.get("fallback", False)
    if not isinstance(fallback, bool):
        warnings.append(f'"fallback" of route {name!r} is ignored: {fallback!r} is neither true nor false')
        fallback = False
    return Route(name, task, description.strip(), _texts(entry, "examples", warnings), fallback=fallback)


def _one_fallback(routes: Sequence[Route], warnings: list[str]) -> tuple[Route, ...]:
    """Return the routes with at most one fallback among them, the first."""
    fallback: Route | None = None
    checked: list[Route] = []
    for route in routes:
        if route.fallback and fallback:
            warnings.append(f'"fallback" of route {route.name!r} is ignored: {fallback.name!r} is the fallback')
            checked.append(replace(route, fallback=False))
            continue
        if route.fallback:
            fallback = route
        checked.append(route)
    return tuple(checked)


def _texts(entry: dict[str, Any], key: str, warnings: list[str]) -> tuple[str, ...]:
    name, values = entry["name"].strip(), entry.get(key, [])
    if not isinstance(values, list):
        warnings.append(f'"{key}" of route {name!r} is ignored: not an array')
        return ()
    texts = tuple(text for text in values if isinstance(text, str) and text.strip())
    if len(texts) < len(values):
        warnings.append(f"{len(values) - len(texts)} of the {key} of route {name!r} are ignored: not text")
    return texts


def _models(entry: dict[str, Any], warnings: list[str]) -> tuple[ModelRecord, ...]:
    records = []
    if not isinstance(entry.get("models", []), list):
        warnings.append(f'"models" of route {entry["name"]!r} is ignored: not an array')
        return ()
    for model in entry.get("models", []):
        record = read_record(model)
        if record is None:
            warnings.append(f"a model of route {entry['name']!r} is skipped: {model!r} is not a model id (org/name)")
        else:
            records.append(record)
    return tuple(records)
