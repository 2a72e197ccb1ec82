"""The actions of `omni-router` with `--server URL`; those that are missing here work on this machine alone."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from omni_router.cli.console import status
from omni_router.cli.feedback import print_rating
from omni_router.cli.list_models import check_plot, print_models
from omni_router.cli.list_routes import LISTED, print_routes
from omni_router.cli.parser import values_for
from omni_router.cli.prompt import ANSWERED, FAILED, is_answered, queries_of
from omni_router.cli.remote.client import ServerClient
from omni_router.cli.remote.remote_run import FIELDS, AnswerClient
from omni_router.cli.stdin import has_unread_stdin
from omni_router.cli.transcript import Transcript
from omni_router.cli.why import print_decision
from omni_router.config.environment import read_variable
from omni_router.messages import user_content


def open_answers(ctx: click.Context, client: ServerClient, leave_out: Collection[str] = ()) -> AnswerClient:
    """Return what asks a server for answers as the flags say, but for those that are left out."""
    flags = {**values_for(ctx, "environment"), **values_for(ctx, "settings")}
    folder = flags.get("output_dir") or read_variable("OMNI_OUTPUT_DIR")
    allowed = {*FIELDS, "skip_specialists"}.difference(leave_out)
    settings = {name: value for name, value in flags.items() if name in allowed}
    return AnswerClient(client, folder, settings)


def prompt(ctx: click.Context, client: ServerClient, **flags: Any) -> int:
    """Have a prompt answered, or those of the demo; return 1 if one of them has no answer.

    Raises:
        OmniRouterError: something must be corrected first.
    """
    queries = queries_of(ctx, flags["prompt"], flags["image_url"])
    transcript = Transcript(as_json=flags["as_json"])
    contents = [user_content(query.prompt, query.image) for query in queries]
    answers = open_answers(ctx, client)
    transcript.warn_of_unread_stdin(unread=not ctx.args and has_unread_stdin())
    answered = True
    for number, (query, content) in enumerate(zip(queries, contents, strict=True), 1):
        transcript.begin(query, number, len(queries))
        messages = [{"role": "user", "content": content}]
        result = answers.answer(messages, transcript, tokens=transcript.shows_tokens).result
        transcript.end(query, result)
        answered &= is_answered(result["error"], result["model"], only_route=flags["skip_specialists"])
    return ANSWERED if answered else FAILED


def list_routes(_ctx: click.Context, client: ServerClient, *, as_json: bool, **_: Any) -> int:
    """Show the routes of the server and their models.

    Raises:
        OmniRouterError: the server does not answer.
    """
    print_routes(client.get("omni", "routes", field="routes")["routes"], client.address, as_json=as_json)
    return LISTED


def list_models(
    _ctx: click.Context, client: ServerClient, *, list_models: str, as_json: bool, plot: Path | None, **_: Any
) -> int:
    """Show what providers serve for a task or a route of the server; return 1 if that is nothing.

    Raises:
        OmniRouterError: the server does not answer, or has no such route, or there is nothing that could be drawn.
    """
    check_plot(plot, list_models)
    status.begin("asking the server for models and providers")
    listing = client.get("omni", "routes", list_models, "models", field="models")
    return print_models(listing, as_json=as_json, plot=plot)


def why(_ctx: click.Context, client: ServerClient, *, why: str, as_json: bool, **_: Any) -> int:
    """Explain a decision of the server.

    Raises:
        OmniRouterError: the server does not answer, or knows no such decision.
    """
    found = find_decision(client, why or "latest")
    if as_json:
        click.echo(json.dumps(found["decision"]))
    else:
        print_decision(found["decision"], found["doubts"])
    return 0


def find_decision(client: ServerClient, start: str) -> Mapping[str, Any]:
    """Return the entry of a decision as `decision`, and what later ones say of it as `doubts`."""
    return client.get("omni", "decisions", start, field="decision")


def feedback(_ctx: click.Context, client: ServerClient, *, feedback: tuple[str, str], as_json: bool, **_: Any) -> int:
    """Rate a decision of the server; return 1 if the rating could not be saved.

    Raises:
        OmniRouterError: the server does not answer, or knows no such decision.
    """
    decision, verdict = feedback
    rating = client.post("/omni/feedback", {"id": decision, "verdict": verdict}, field="feedback")
    return print_rating(rating["feedback"], rating["summary"], as_json=as_json)
