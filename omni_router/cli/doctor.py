"""`omni-router doctor`: ask the real world one cheap question each, and report what is not as expected."""

import json
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import click

from omni_router._version import __version__
from omni_router.cli import options
from omni_router.cli.console import Style, print_line, status
from omni_router.cli.options import option
from omni_router.cli.parser import Command, read_environment
from omni_router.config.route_file import RouteFile
from omni_router.costs import rounded
from omni_router.history.cooldowns import write_time
from omni_router.simulation import is_simulated

if TYPE_CHECKING:
    from omni_router.doctor.examination import Check, Result

ALL_WELL, NOT_WELL = 0, 1
SHOWN = 12  # differences of one check
PACKAGES = ("huggingface_hub", "langchain-huggingface", "langgraph", "httpx", "onnxruntime")

EXAMPLES = """\
One question each, through the same functions as a run: the token and what it permits, the lists of
the Hub and of the router of Inference Providers, one benchmark board, one page of LMArena's
ratings, one chat of 16 tokens, the router's checkpoint, encoder, caches, PostgreSQL, disk; and one
chat at each provider that the policy declares. All together costs less than a cent; --full adds one
image, which may cost more.

examples:
  HF_TOKEN=hf_... omni-router doctor
        what is as expected, what differs field by field, and what to do
  omni-router doctor --json > report.json
        for a bug report; it holds no token, no name and no address of a database
  omni-router doctor --sandbox
        the same questions, answered by the sandbox

exit status: 0 all is as expected, 1 something differs or fails, 2 something to correct first
"""


@click.command("doctor", cls=Command, help="Check that the real services answer as expected.", epilog=EXAMPLES)
@options.all_of(
    option("--full", is_flag=True, section=options.CALLING, help="also generate an image, which may cost over a cent"),
    options.hf_token,
    options.sandbox,
    options.router,
    options.router_model,
    options.route_config,
    options.history,
    options.json_output("print one object, for a bug report"),
)
@click.pass_context
def command(ctx: click.Context, /, *, full: bool, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Ask all questions, and return 1 if an answer is not as expected.

    Raises:
        ConfigurationError: the environment holds a value that is not allowed.
    """
    from omni_router.doctor.checks import CHECKS, examine
    from omni_router.doctor.examination import Examination
    from omni_router.doctor.provider_calls import provider_checks
    from omni_router.hub.tokens import find_token
    from omni_router.services import open_catalog

    environment = read_environment(ctx)
    open_catalog(environment, hf_token)  # installs the sandbox, if it is to answer
    checks = (*CHECKS, *provider_checks(RouteFile(environment.route_config).providers()))
    results = []
    examination = Examination(environment, find_token(hf_token), full=full)
    status.begin("asking the Hub, providers and this machine")
    for result in examine(examination, checks):
        results.append(result)
        if not as_json:
            _print(result)
    if as_json:
        click.echo(json.dumps(_report(results), indent=2))
    else:
        print_line(_summary(results))
    return NOT_WELL if _not_well(results) else ALL_WELL


def _not_well(results: "Sequence[Result]") -> "list[Check]":
    return [result.check for result in results if result.outcome.status in ("differs", "failed")]


def _print(result: "Result") -> None:
    outcome = result.outcome
    styles: dict[str, Style] = {"ok": "green", "differs": "bold", "failed": "red", "skipped": "dim"}
    print_line((f"{outcome.status:<8}", styles[outcome.status]), f"{result.check.name:<12}{outcome.summary}")
    for difference in outcome.differences[:SHOWN]:
        print_line(f"{'':8}{difference}")
    if len(outcome.differences) > SHOWN:
        print_line(f"{'':8}and {len(outcome.differences) - SHOWN} more; --json has all")
    if outcome.new_fields:
        print_line((f"{'':8}new, and not used: {', '.join(outcome.new_fields[:SHOWN])}", "dim"))
    if outcome.advice:
        print_line(f"{'':8}{outcome.advice}")


def _summary(results: "Sequence[Result]") -> str:
    cost = sum(result.outcome.cost for result in results)
    seconds = sum(result.seconds for result in results)
    well = "All is as expected"
    if names := [check.name for check in _not_well(results)]:
        well = f"Not as expected: {', '.join(names)}"
    simulated = ", answered by the sandbox" if is_simulated() else ""
    return f"{well}. {len(results)} questions in {seconds:.1f} s for {cost:.6f} US dollars{simulated}."


def _report(results: "Sequence[Result]") -> dict[str, Any]:
    """Return the report as JSON; the outcomes hold nothing secret or personal."""
    return {
        "omni_router": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "simulated": is_simulated(),
        "at": write_time(datetime.now(timezone.utc)),
        "cost": rounded(sum(result.outcome.cost for result in results)),
        "checks": list(map(_as_json, results)),
    }


def _as_json(result: "Result") -> dict[str, Any]:
    outcome = result.outcome
    return {
        "name": result.check.name,
        "question": result.check.question,
        "status": outcome.status,
        "summary": outcome.summary,
        "advice": outcome.advice,
        "differences": [difference._asdict() for difference in outcome.differences],
        "new_fields": outcome.new_fields,
        "seconds": round(result.seconds, 3),
        "cost": outcome.cost,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
