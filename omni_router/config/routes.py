"""The policy: which routes there are, read from the entries of route_config.json together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from omni_router.config.entries import Entry, parse_entry, task_of
from omni_router.config.example_files import ExampleFiles
from omni_router.config.own_providers import OwnProvider
from omni_router.config.parameters import EVERY_ROUTE, NO_PARAMETERS, RouteParameters
from omni_router.config.policy_text import key_of, parse_entries
from omni_router.config.records import ModelRecord
from omni_router.storage.files import Signature
from omni_router.tasks import OTHER

DEFAULT_POLICY = Path(__file__).with_name("route_config.json")


@dataclass(frozen=True)
class Route:
    """A named kind of request."""

    name: str
    task: str  # a key of TASKS
    description: str
    examples: tuple[str, ...] = ()
    fallback: bool = False  # takes the requests that fit no route, unless a run names another fallback
    parameters: RouteParameters = NO_PARAMETERS


class Policy(Protocol):
    """Where the routes come from."""

    def routes(self) -> Sequence[Route]:
        """Return the routes, without `other`."""
        ...


def parameters_of(policy: Policy, name: str | None) -> RouteParameters:
    """Return the parameters of a route by its name; none if the policy has no such route any more."""
    for route in policy.routes():
        if route.name == name:
            return route.parameters
    return NO_PARAMETERS


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
    files: tuple[tuple[Path, Signature | None], ...] = ()  # the files of examples it read, which may change
    providers: tuple[OwnProvider, ...] = ()  # addresses of one's own


def parse_document(text: str, path: Path) -> Document:
    """Read the text of a route_config.json, and what its entries mean.

    Raises:
        PolicyFileError: it is not a JSON array of objects with names of their own.
    """
    return read_entries(parse_entries(text, path), path)


def read_entries(entries: Sequence[dict[str, Any]], path: Path | None = None) -> Document:
    """Read what entries mean; parts that are wrong are skipped, and reported in `warnings`.

    Args:
        entries: those of a policy.
        path: where the policy is; without one, entries can name shipped files of examples only.
    """
    reader = PolicyReader()
    return reader.document(reader.parse(entries), path)


class PolicyReader:
    """Reads the versions of one policy; what did not change since the last one is not parsed again."""

    def __init__(self, limits: RouteParameters = NO_PARAMETERS) -> None:
        self._limits = limits  # of every route, beside those of the entries
        self._entries: dict[str, Entry] = {}  # the last ones, by key
        self._files = ExampleFiles()

    def parse(self, raws: Sequence[dict[str, Any]]) -> list[Entry]:
        """Parse each entry by itself."""
        entries = [parse_entry(raw, self._entries.get(key_of(raw) or "")) for raw in raws]
        self._entries = {entry.key: entry for entry in entries}
        return entries

    def document(self, entries: Sequence[Entry], path: Path | None) -> Document:
        """Build what the entries mean together, with the files of examples that they name."""
        warnings: list[str] = []
        files: list[tuple[Path, Signature | None]] = []
        routes: list[Route] = []
        out_of_scope: tuple[str, ...] = ()
        general = self._limits
        providers: tuple[OwnProvider, ...] = ()
        for entry in entries:
            if entry.key == EVERY_ROUTE:
                general, providers = entry.parameters.over(self._limits), entry.providers
        for entry in entries:
            warnings += entry.warnings
            if not entry.is_usable or entry.key == EVERY_ROUTE:
                continue
            examples = self._named_examples(entry, path, warnings, files) + entry.examples
            if entry.key == OTHER:
                out_of_scope = examples + entry.learned
            else:
                routes.append(_route(entry, examples, general))
        return Document(
            entries=[entry.raw for entry in entries],
            routes=_one_fallback(routes, warnings),
            models={entry.key: tuple(filter(None, entry.models)) for entry in entries},
            learned={entry.key: entry.learned for entry in entries},
            out_of_scope_examples=out_of_scope,
            warnings=tuple(warnings),
            files=tuple(files),
            providers=providers,
        )

    def _named_examples(
        self, entry: Entry, path: Path | None, warnings: list[str], files: list[tuple[Path, Signature | None]]
    ) -> tuple[str, ...]:
        """Return the examples of the file that an entry names."""
        name = entry.raw.get("examples_file")
        if name is None:
            return ()
        named = self._files.read(name, path)
        if named.fault:
            warnings.append(f'"examples_file" of route {entry.name!r}: {named.fault}')
        if named.file:
            files.append(named.file)
        return named.examples


def _route(entry: Entry, examples: tuple[str, ...], general: RouteParameters) -> Route:
    description = entry.raw["description"].strip()
    parameters = entry.parameters.over(general)
    return Route(entry.name, task_of(entry.raw), description, examples, entry.is_fallback, parameters)


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
