"""`--feedback`: rate a decision of the log."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.route_file import RouteFile
from omni_router.decisions.feedback import rate
from omni_router.history import History

SAVED, NOT_SAVED = 0, 1


class FileServices(NamedTuple):
    """What a verdict needs, without the other services."""

    policy: RouteFile
    history: History


def run(ctx: click.Context, *, feedback: tuple[str, str], as_json: bool, **_: Any) -> int:
    """Rate a decision; return 1 if the rating could not be saved.

    Raises:
        OmniRouterError: there is no such decision, or the rating is not one of those allowed.
    """
    from omni_router.services import open_decision_log, open_history

    environment = read_environment_and_warn(ctx, records=True)
    start, verdict = feedback
    entry = open_decision_log(environment).find(start)
    file = RouteFile(environment.route_config)
    rating = rate(entry, verdict, FileServices(file, open_history(environment, file)))
    return print_rating(rating.feedback, rating.summary, as_json=as_json)


def print_rating(feedback: Mapping[str, Any], summary: str, *, as_json: bool) -> int:
    """Print what became of a rating; return 1 if it was not saved."""
    click.echo(json.dumps(feedback) if as_json else summary)
    if feedback["kept_in"] is None:
        return NOT_SAVED
    return SAVED
