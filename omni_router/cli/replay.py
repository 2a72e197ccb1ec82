"""`--replay`: what a changed policy would have decided."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import print_field, print_line, progress
from omni_router.cli.parser import read_environment
from omni_router.cli.why import newest_request
from omni_router.config.route_file import RouteFile
from omni_router.decisions.log import DecisionLog
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from omni_router.evaluation.replay import Choice

    Difference = tuple[dict[str, Any], Choice, Choice]

SAME, DIFFERS = 0, 1
SHOWN = 100  # characters of a request


def run(ctx: click.Context, *, replay: Path, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Decide the requests of a log again under the current policy; return 1 if something would differ.

    Raises:
        ConfigurationError: the policy or the log does not exist, or there is nothing in the log.
    """
    from omni_router.evaluation.replay import Replay, differences
    from omni_router.hub.tokens import find_token
    from omni_router.services.router import choose_router

    environment = read_environment(ctx)
    file = RouteFile(environment.route_config)
    if not file.path.exists():  # otherwise the packaged policy would be compared, which is not meant
        raise ConfigurationError(f"{file.path} does not exist; name the policy to replay with: --route-config PATH")
    file.document()
    router = choose_router(environment, token=lambda: find_token(hf_token), learning=False)
    entries = _entries(replay)
    replayed = progress(differences(entries, Replay(file, router)), "replay", len(entries))
    differing = [difference for difference in replayed if difference is not None]
    if as_json:
        _print_json(entries, differing)
    else:
        _print(entries, differing, file.path)
    return DIFFERS if differing else SAME


def _entries(path: Path) -> list[dict[str, Any]]:
    """Read the decisions of a router; those of a caller or a tool loop do not depend on the policy."""
    entries = [entry for entry in DecisionLog(path).entries() if not entry.get("settled")]
    if not entries:
        raise ConfigurationError(f"{path} holds no decisions made by a router")
    return entries


def _count_asked_again(entries: Sequence[dict[str, Any]]) -> int:
    return sum("conversation" in entry["asked"] for entry in entries)


def _print_json(entries: Sequence[dict[str, Any]], differing: "Sequence[Difference]") -> None:
    rows = [_as_json(*difference) for difference in differing]
    click.echo(json.dumps({"n": len(entries), "asked_again": _count_asked_again(entries), "differing": rows}))


def _as_json(entry: dict[str, Any], before: "Choice", after: "Choice") -> dict[str, Any]:
    return {"id": entry["id"], "before": asdict(before), "after": asdict(after)}


def _print(entries: Sequence[dict[str, Any]], differing: "Sequence[Difference]", policy: Path) -> None:
    for entry, before, after in differing:
        print_line(f"{entry['id']}  {entry['time']}")
        print_field("asked", " ".join(newest_request(entry).split())[:SHOWN])
        print_field("then", str(before))
        print_field("now", f"{after}: {after.reason}")
    again = _count_asked_again(entries)
    how = f"{again} decided by the router again, {len(entries) - again} from its logged reply; the catalog was not used"
    print_line(f"{len(differing)} of {len(entries)} decisions would differ under {policy} ({how})")
