"""`--feedback`: rate a decision of the log."""

import json
from collections.abc import Mapping
from typing import Any

import click

from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.cli.why import newest_text
from omni_router.config.route_file import RouteFile
from omni_router.decisions.feedback import counts_for_model, read_verdict
from omni_router.history import Feedback
from omni_router.messages import IMAGE_MARK
from omni_router.services import open_decision_log, open_history

SAVED, NOT_SAVED = 0, 1


def run(ctx: click.Context, *, feedback: tuple[str, str], as_json: bool, **_: Any) -> int:
    """Rate a decision; return 1 if the rating could not be saved.

    Raises:
        OmniRouterError: there is no such decision, or the rating is not one of those allowed.
    """
    environment = read_environment_and_warn(ctx, records=True)
    start, rating = feedback
    entry = open_decision_log(environment).find(start)
    file = RouteFile(environment.route_config)
    # Only text can become an example.
    text = newest_text(entry["asked"].get("conversation", [])).replace(IMAGE_MARK, "").strip()
    verdict = read_verdict(entry, rating, text, file)
    history = open_history(environment, file)
    counted = counts_for_model(verdict, history.models(verdict.route))
    place = history.add_feedback(verdict)
    if as_json:
        click.echo(json.dumps(_as_json(entry, verdict, place)))
    else:
        click.echo(f"{entry['id']}: {_describe(entry, verdict, place, counted=counted)}")
    if place is None:
        return NOT_SAVED
    return SAVED


def _as_json(entry: Mapping[str, Any], verdict: Feedback, place: str | None) -> dict[str, Any]:
    example_of: str | None = None
    if place and verdict.text:
        example_of = verdict.example_of
    return {
        "id": entry["id"],
        "verdict": verdict.verdict,
        "route": verdict.route,
        "model": verdict.model or None,
        "should_be": verdict.correct_route,
        "kept_in": place,
        "example_of": example_of,
    }


def _describe(entry: Mapping[str, Any], verdict: Feedback, place: str | None, *, counted: bool) -> str:
    example_of = verdict.example_of
    parts = ["nothing was saved"]
    if place:
        parts = [f"saved in {place}"]
    if counted:
        parts.append(f"{verdict.model} counts as {verdict.verdict} for {verdict.route}")
    elif verdict.verdict != "should_be" and verdict.model:
        parts.append(f"{verdict.model} has no record on {verdict.route}")
    elif verdict.verdict != "should_be" and entry["model"]:
        parts.append(f"the caller named {entry['model']}, so the rating does not change its rank")
    if example_of and verdict.text:
        parts.append(f"the request is now an example of {example_of}")
    elif example_of:
        parts.append("the request was not added as an example, since its text was not logged (--log-text keeps it)")
    return "; ".join(parts)
