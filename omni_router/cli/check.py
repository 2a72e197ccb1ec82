"""`--check`: report what is wrong with the policy."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import Style, print_line, progress, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.routes import DEFAULT_POLICY, Document
from omni_router.evaluation.policy_check import AT_ONCE, Finding, check_policy, read_policy
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    from omni_router.hub.catalog import Availability

NOTES, PROBLEMS = 0, 1
KEYS = ("level", "route", "model", "finding", "hint")


def run(ctx: click.Context, *, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Report what is wrong with the policy; return 1 if there is a problem, 0 if there are only notes.

    Raises:
        PolicyFileError: the file is unusable.
    """
    from omni_router.services import open_joined_catalog

    environment = read_environment_and_warn(ctx)
    path = environment.route_config
    if not path.exists():
        path = DEFAULT_POLICY
    document = read_policy(path)
    status.begin("comparing the routes, and asking the Hub about their models")
    catalog = open_joined_catalog(environment, hf_token, lambda: document.providers)
    findings = check_policy(
        document,
        path,
        catalog=catalog,
        encoder=SentenceEncoder(),
        router_url=environment.router_url,
        progress=_progress,
    )
    if as_json:
        rows = [_as_json(finding) for finding in findings]
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(findings)
        print_line(_summary(findings, document, path))
    levels = Counter(finding.level for finding in findings)
    return PROBLEMS if levels["problem"] else NOTES


def _as_json(finding: Finding) -> dict[str, Any]:
    fields = asdict(finding)
    return {key: fields[key] for key in KEYS}


def _progress(checks: "Iterator[Availability]", total: int) -> "Iterable[Availability]":
    return progress(checks, "models", total, shown=total > AT_ONCE)  # up to AT_ONCE models are looked up together


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        style: Style = "dim"
        if finding.level == "problem":
            style = "red"
        print_line((finding.level, style), str(finding)[len(finding.level) :])


def _summary(findings: Sequence[Finding], document: Document, path: Path) -> str:
    models = {record["id"] for record in chain.from_iterable(document.models.values())}
    subject = f"{path}: {_count(len(document.routes), 'route')}, {_count(len(models), 'model')}"
    if not findings:
        return f"No problems found in {subject}"
    levels = Counter(finding.level for finding in findings)
    counts = [_count(number, level) for level, number in levels.items()]
    return f"{', '.join(counts)} in {subject}"


def _count(number: int, thing: str) -> str:
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing}s"
