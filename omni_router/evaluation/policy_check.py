"""Check what is wrong with a policy, before a run stumbles over it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Literal

from omni_router.config.parameters import NO_PARAMETERS, is_closed, matches
from omni_router.config.routes import Document, Route, parse_document
from omni_router.config.settings import Settings
from omni_router.error_kinds import GATES_OF_CALLERS
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.evaluation.policy_overlap import overlaps
from omni_router.evaluation.policy_providers import kept_route_findings, provider_findings
from omni_router.history.protocol import ModelRecord
from omni_router.hub.catalog import Availability
from omni_router.hub.requirements import Requirements, requirements
from omni_router.model_id import is_sandbox_model
from omni_router.own_models.joined_catalog import JoinedCatalog
from omni_router.routers.semantic.encoder import Encoder
from omni_router.simulation import is_simulated
from omni_router.tasks import DEFAULT_TASK, TASKS, default_task

Progress = Callable[[Iterator[Availability], int], Iterable[Availability]]

AT_ONCE = 8  # models that are looked up: each costs the Hub a request


@dataclass(frozen=True)
class Finding:
    """Something to correct (a problem) or to know (a note)."""

    level: Literal["problem", "note"]
    finding: str
    hint: str
    route: str | None = None
    model: str | None = None

    def __str__(self) -> str:
        subject = " ".join(filter(None, (self.route and f"route {self.route}", self.model)))
        if subject:
            subject += ": "
        return f"{self.level:<8} {subject}{self.finding}. {self.hint}."


def check_policy(  # noqa: PLR0913 (all but two by name)
    document: Document,
    path: Path,
    *,
    catalog: JoinedCatalog,
    encoder: Encoder,
    router_url: str | None = None,
    progress: Progress = lambda checks, _: checks,
) -> list[Finding]:
    """Return the problems of a policy, and notes about it.

    Args:
        document: the policy.
        path: where it is.
        catalog: knows which models are served.
        encoder: compares the descriptions of routes.
        router_url: the address of a router that reads requests; None if they are read on this machine.
        progress: shows how many models have been looked up; it gets the answers, and how many there will be.
    """
    return [
        *_warnings(document, path),
        *_incomplete_routes(document),
        *_shared_examples(document.routes),
        *_overlaps(document.routes, encoder),
        *_unserved_models(document, catalog, progress),
        *_unused_models(document),
        *_unmatched_patterns(document, catalog),
        *_own_providers(document, catalog, router_url),
    ]


def read_policy(path: Path) -> Document:
    """Read a policy file.

    Raises:
        PolicyFileError: the file is unusable.
    """
    try:
        return parse_document(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(path, f"cannot be read: {error}") from error


def _warnings(document: Document, path: Path) -> Iterator[Finding]:
    for warning in document.warnings:
        yield Finding("problem", warning, f"Correct it in {path}")
    if not document.routes:
        yield Finding("problem", "the policy has no routes", f"Add one to {path}")


def _incomplete_routes(document: Document) -> Iterator[Finding]:
    """Yield routes that lack a task or examples; the two image routes have a task by name, and may lack examples."""
    with_task = {entry["name"].strip() for entry in document.entries if entry.get("task") is not None}
    for route in document.routes:
        known_by_name = default_task(route.name.casefold()) != DEFAULT_TASK
        if route.name not in with_task and not known_by_name:
            hint = f'Give it a "task", one of {", ".join(TASKS)}'
            yield Finding("problem", f"it has no task, so {DEFAULT_TASK} is assumed", hint, route.name)
        if not route.examples and not document.learned[route.name.casefold()]:
            hint = 'Give it "examples", a dozen requests as people write them, or an "examples_file"'
            yield Finding("note" if known_by_name else "problem", "it has no examples", hint, route.name)


def _shared_examples(routes: Sequence[Route]) -> Iterator[Finding]:
    for one, other in combinations(routes, 2):
        shared = set(map(str.casefold, one.examples)).intersection(map(str.casefold, other.examples))
        for text in sorted(shared):
            finding = f"route {other.name} has the same example {text[:60]!r}"
            yield Finding("problem", finding, "Keep it in one of them", one.name)


def _overlaps(routes: Sequence[Route], encoder: Encoder) -> Iterator[Finding]:
    try:
        pairs = overlaps(routes, encoder)
    except ConfigurationError as error:
        yield Finding("note", "descriptions were not compared: the encoder cannot be loaded", str(error).rstrip("."))
        return
    for (one, other), texts, similarity in pairs:
        finding = f'its description is very similar to that of {other} ({similarity}): "{texts[0]}" and "{texts[1]}"'
        yield Finding("problem", finding, "Merge the two, or describe what distinguishes them", one)


def _unserved_models(document: Document, catalog: JoinedCatalog, progress: Progress) -> Iterator[Finding]:
    models = list(_models_to_look_up(document))
    unverified = 0
    for (route, record), availability in zip(models, _look_up(models, catalog, progress), strict=True):
        unverified += not availability.verified
        if availability.refused:
            hint = "Remove it, or name another model"
            if availability.gate in GATES_OF_CALLERS:
                hint = f"Remove it, or change the limits: omni-router --list-routes shows those of {route.name}"
            yield Finding("problem", availability.why, hint, route.name, record["id"])
        elif availability.model != record["id"]:
            yield Finding("note", f"it is now called {availability.model}", "Use the new id", route.name, record["id"])
    if unverified:
        finding = f"{unverified} of {len(models)} models could not be looked up: the Hub could not be reached"
        yield Finding("note", finding, "Check the network connection and the token, then run this again")


def _models_to_look_up(document: Document) -> Iterator[tuple[Route, ModelRecord]]:
    """Yield the models of the file; those of a sandbox are not served anywhere, and real runs leave them out anyway."""
    simulated = is_simulated()
    for route in document.routes:
        for record in document.models[route.name.casefold()]:
            if simulated or not is_sandbox_model(record["id"]):
                yield route, record


def _look_up(
    models: Sequence[tuple[Route, ModelRecord]], catalog: JoinedCatalog, progress: Progress
) -> list[Availability]:
    def check(model: tuple[Route, ModelRecord]) -> Availability:
        route, record = model
        limits = route.parameters
        if any(map(is_closed, chain(*limits.only))):  # one cannot be read, which is reported
            limits = NO_PARAMETERS
        required = requirements(Settings(), (), limits)
        return catalog.check(record["id"], record.get("provider"), route.task, required, wait_for_fresh=True)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(progress(pool.map(check, models), len(models)))


def _unused_models(document: Document) -> Iterator[Finding]:
    for route in document.routes:
        records = document.models[route.name.casefold()]
        unused = [record for record in records if not record.get("uses")]
        if len(unused) == len(records):
            continue
        for record in unused:
            hint = "Keep it as a reserve, or remove it"
            yield Finding("note", "never used, unlike others of the route", hint, route.name, record["id"])


def _own_providers(document: Document, catalog: JoinedCatalog, router_url: str | None) -> Iterator[Finding]:
    for found in provider_findings(document, catalog.own):
        yield Finding(found.level, found.finding, found.hint)
    for found in kept_route_findings(document, catalog, router_url):
        yield Finding(found.level, found.finding, found.hint, found.route)


def _unmatched_patterns(document: Document, catalog: JoinedCatalog) -> Iterator[Finding]:
    """Yield the patterns of `only` and `never` that match no model of their task, of those known to be served."""
    for route in document.routes:
        limits = route.parameters
        patterns = dict.fromkeys(chain(*limits.only, limits.never))
        offers: list[tuple[str, str]] = []
        if patterns:
            offers = _offers(route, catalog)
        for pattern in patterns:
            if offers and not is_closed(pattern) and not any(matches(pattern, *offer) for offer in offers):
                finding = f"the pattern {pattern!r} matches no model that is known to be served"
                hint = f"omni-router --list-models {route.name} lists those that are"
                yield Finding("note", finding, hint, route.name)


def _offers(route: Route, catalog: JoinedCatalog) -> list[tuple[str, str]]:
    """Return the models that are known to be served for a route's task, each with each of its providers."""
    models = catalog.snapshot_within([Requirements(only=route.parameters.only)], route.task).models
    return [(model.id, provider) for model in models for provider in model.providers]
