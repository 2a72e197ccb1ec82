"""`--check`: what is wrong with a policy, and what is only worth knowing."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

from omni_router.config.environment import Environment
from omni_router.config.policy import Document, Route
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError
from omni_router.inference.catalog import Catalog
from omni_router.model_id import is_sandbox_model
from omni_router.routers.encoder import Encoder, MiniLM
from omni_router.tasks import DEFAULT_TASK, default_task

# Cosines of all-MiniLM-L6-v2. The ten routes of the default policy, which differ, come to 0.51 at most, their phrases
# to 0.55; eight pairs written for this: the four that mean the same 0.70 to 0.81, the four that do not 0.07 to 0.39.
SAME_DESCRIPTION, SAME_PHRASE = 0.62, 0.75


@dataclass(frozen=True)
class Finding:
    """One thing that was found; a `problem` is wrong, a `note` may be meant so."""

    level: Literal["problem", "note"]
    route: str | None
    model: str | None
    finding: str
    hint: str


def check_policy(environment: Environment, args: argparse.Namespace) -> int:
    """Report what is wrong with the policy of the environment; 1 when something is."""
    from omni_router.services import open_catalog

    file = RouteFile(environment.route_config)
    document = file.document()
    found = [*_entries(document), *_overlaps(document.routes, MiniLM(environment.router_model))]
    found += _models(document, open_catalog(environment, args.hf_token), sandboxed=environment.sandbox)
    problems = sum(finding.level == "problem" for finding in found)
    if args.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            print(_told(finding))
        where = environment.route_config if environment.route_config.exists() else "the packaged default policy"
        count = f"{problems} problem{'s' * (problems != 1)}" if problems else "nothing wrong"
        print(f"{where}: {len(document.routes)} routes, {count}")
    return 1 if problems else 0


def _entries(document: Document) -> Iterator[Finding]:
    """Look at each entry by itself."""
    for warning in document.warnings:
        yield Finding("problem", None, None, warning, "correct the entry, or remove it")
    entries = {entry["name"].strip(): entry for entry in document.entries}
    for route in document.routes:
        known = default_task(route.name.casefold()) != DEFAULT_TASK  # its name says what it does
        if entries[route.name].get("task") is None and not known:
            hint = f'add "task"; without one it is {route.task}'
            yield Finding("problem", route.name, None, "it has no task", hint)
        if not route.examples and not document.learned.get(route.name.casefold()):
            hint = (
                'add a dozen varied requests as "examples": they teach the embedded router more than words about them'
            )
            yield Finding("problem", route.name, None, "it has no examples", hint)
        records = document.models[route.name.casefold()]
        if any(record.get("uses") for record in records):
            for record in records:
                if not record.get("uses"):
                    hint = "others of the route come first; remove it if it is not wanted"
                    yield Finding("note", route.name, record["id"], "it has never been used", hint)


def _overlaps(routes: tuple[Route, ...], encoder: Encoder) -> Iterator[Finding]:
    """Find routes whose descriptions mean the same, as a whole or in one of their phrases."""
    try:
        whole = encoder.encode([route.description for route in routes]) if routes else None
    except ConfigurationError as error:
        yield Finding("note", None, None, "whether descriptions overlap could not be checked", str(error))
        return
    hint = "say what sets them apart, or make one route of them"
    for i, j in combinations(range(len(routes)), 2):
        assert whole is not None  # noqa: S101 (there are routes)
        names = f"{routes[i].name} and {routes[j].name}"
        if (likeness := float(whole[i] @ whole[j])) >= SAME_DESCRIPTION:
            yield Finding(
                "problem", routes[i].name, None, f"the descriptions of {names} overlap ({likeness:.2f})", hint
            )
        elif pair := _same_phrase(_phrases(routes[i]), _phrases(routes[j]), encoder):
            told = f"{names} both claim “{pair[0]}”" + (f" / “{pair[1]}”" if pair[0] != pair[1] else "")
            yield Finding("problem", routes[i].name, None, told, hint)


def _same_phrase(ours: list[str], theirs: list[str], encoder: Encoder) -> tuple[str, str] | None:
    likeness = encoder.encode(ours) @ encoder.encode(theirs).T
    best = int(likeness.argmax())
    i, j = divmod(best, len(theirs))
    return (ours[i], theirs[j]) if float(likeness[i, j]) >= SAME_PHRASE else None


def _phrases(route: Route) -> list[str]:
    return [phrase.strip() for phrase in re.split(r"[;\n]|[.!?](?:\s|$)", route.description) if phrase.strip()]


def _models(document: Document, catalog: Catalog, *, sandboxed: bool) -> list[Finding]:
    """Ask the catalog about every model of the policy."""
    from tqdm import tqdm

    named = [
        (route, record)
        for route in document.routes
        for record in document.models[route.name.casefold()]
        if sandboxed or not is_sandbox_model(record["id"])
    ]
    found, unreachable = [], 0
    for route, record in tqdm(named, desc="models", disable=not sys.stderr.isatty(), leave=False):
        check = catalog.check(record["id"], record.get("provider"), route.task)
        if check.refused:
            hint = "remove it, or name another one"
            found.append(Finding("problem", route.name, record["id"], f"it can no longer be called: {check.why}", hint))
        elif check.model != record["id"]:
            hint = "the next use records it by the new id; this entry may go"
            found.append(Finding("note", route.name, record["id"], f"it is now called {check.model}", hint))
        unreachable += not check.verified
    if unreachable:
        told = f"{unreachable} of {len(named)} models could not be checked: the Hub could not be asked"
        found.append(Finding("note", None, None, told, "check the network connection, and ask again"))
    return found


def _told(finding: Finding) -> str:
    where = " ".join(filter(None, (finding.route, finding.model)))
    return f"{finding.level + ':':<9}{where + ': ' if where else ''}{finding.finding}; {finding.hint}"
