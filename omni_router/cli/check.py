"""`--check`: report what is wrong with the policy."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import Style, print_line, progress, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.routes import DEFAULT_POLICY, Document
from omni_router.evaluation.policy_check import AT_ONCE, Finding, check_policy, read_policy
from omni_router.routers.semantic.encoder import SentenceEncoder

if TYPE_CHECKING:
    from omni_router.hub.catalog import Availability

NOTES, PROBLEMS = 0, 1
KEYS = ("level", "route", "model", "finding", "hint")


def run(ctx: click.Context, *, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Report what is wrong with the policy; 1 when there is a problem in it, 0 when there are notes at most.

    Raises:
        PolicyFileError: the file is unusable.
    """
    from omni_router.services import open_catalog

    environment = read_environment_and_warn(ctx)
    path = environment.route_config if environment.route_config.exists() else DEFAULT_POLICY
    document = read_policy(path)
    status.begin("comparing the routes, and asking the Hub about their models")
    catalog = open_catalog(environment, hf_token)
    findings = check_policy(document, path, catalog=catalog, encoder=SentenceEncoder(), progress=_progress)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        click.echo(json.dumps([{key: row[key] for key in KEYS} for row in rows], indent=2))
    else:
        _print(findings)
        print_line(_summary(findings, document, path))
    return PROBLEMS if any(finding.level == "problem" for finding in findings) else NOTES


def _progress(checks: "Iterator[Availability]", total: int) -> "Iterable[Availability]":
    return progress(checks, "models", total, shown=total > AT_ONCE)  # so few are looked up at once


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        style: Style = "red" if finding.level == "problem" else "dim"
        print_line((finding.level, style), str(finding)[len(finding.level) :])


def _summary(findings: Sequence[Finding], document: Document, path: Path) -> str:
    models = len({record["id"] for records in document.models.values() for record in records})
    of = f"{path}: {_count(len(document.routes), 'route')}, {_count(models, 'model')}"
    if not findings:
        return f"No problems found in {of}"
    levels = Counter(finding.level for finding in findings)
    return f"{', '.join(_count(number, level) for level, number in levels.items())} in {of}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
