"""`--prompt` and `--demo`: route requests, and answer them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import log_note
from omni_router.cli.demo import DEFAULT_MULTI_MODAL_QUERIES, Query
from omni_router.cli.missing_policy import missing_policy
from omni_router.cli.parser import read_environment, values_for
from omni_router.cli.stdin import has_unread_stdin, read_query
from omni_router.cli.transcript import Transcript, View
from omni_router.config.environment import Environment
from omni_router.hints import COMMAND

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, AnyMessage

    from omni_router.config.settings import Settings
    from omni_router.events import Finished, RunEvent

ANSWERED, FAILED = 0, 1


def run(ctx: click.Context, *, prompt: str | None, image_url: str | None, **flags: Any) -> int:
    """Answer a prompt, or those of the demo; return 1 if one of them has no answer.

    Raises:
        OmniRouterError: something must be corrected first.
    """
    environment, settings = read_environment(ctx), read_settings(ctx)
    from omni_router import user_message

    queries = queries_of(ctx, prompt, image_url)
    transcript = Transcript(as_json=flags["as_json"], debug=flags["debug_router"])
    settings = prepare_run(environment, settings, flags["hf_token"])
    if environment.sandbox and flags["demo"] and flags["route_config"] is None:
        _name_models_of_the_demo(environment.route_config)
    transcript.wait("starting")
    messages: list[list[AnyMessage]] = [[user_message(query.prompt, query.image)] for query in queries]
    if settings.another:
        messages = [[*asked, _answer_to(asked, environment)] for asked in messages]
    graph = _open_graph(environment, settings, flags["hf_token"])
    transcript.warn_of_unread_stdin(unread=not ctx.args and has_unread_stdin())
    answered = True
    audience = replace(COMMAND, policy=str(environment.route_config))
    for number, (query, asked) in enumerate(zip(queries, messages, strict=True), 1):
        transcript.begin(query, number, len(queries))
        result = _follow(graph, asked, transcript).result.for_audience(audience)
        transcript.end(query, result.as_json())
        answered &= is_answered(result.error, result.model, only_route=settings.skip_specialists)
    if flags["demo"]:
        transcript.close(environment)
    return ANSWERED if answered else FAILED


def queries_of(ctx: click.Context, prompt: str | None, image: str | None) -> list[Query]:
    """Return the query of the command line, or those of the demo.

    Raises:
        OmniRouterError: stdin is not what a `-` asks for.
    """
    if prompt is None:
        return list(DEFAULT_MULTI_MODAL_QUERIES)
    return [read_query(prompt, image, appends=bool(ctx.args))]


def prepare_run(environment: Environment, settings: "Settings", token: str | None) -> "Settings":
    """Print what a person should know before a run, and return its settings, within what can be called."""
    if text := missing_policy(environment, records=True):
        log_note(text)
    if not settings.skip_specialists:
        settings = _within_token(settings, environment, token)
    if environment.sandbox:
        log_note("sandbox: answers and images are simulated on this machine; routing is real.")
        log_note(f"policy and history: {environment.route_config}")
    return settings


def _open_graph(environment: Environment, settings: "Settings", token: str | None) -> Any:
    from omni_router import Services, build_graph
    from omni_router.selection.sources import services_for

    services = Services.from_environment(environment, token=token)
    evidence = services_for(services, services.policy.routes(), settings).evidence
    if evidence:
        evidence.current()  # what the disk has of it is read in the background, before the first choice
    return build_graph(services, settings).compile()


def read_settings(ctx: click.Context) -> "Settings":
    """Return the settings of a run; their fields alone define what is allowed."""
    from pydantic import ValidationError

    from omni_router.config.settings import Settings

    try:
        return Settings(**values_for(ctx, "settings"))
    except ValidationError as error:
        first = error.errors()[0]
        param = next(param for param in ctx.command.params if param.name == first["loc"][0])
        raise click.BadParameter(f"{first['msg']}, not {first['input']!r}", ctx, param) from None


def _answer_to(messages: "Sequence[AnyMessage]", environment: Environment) -> "AIMessage":
    """Return the newest answer of the decision log to a request, without its text, which no log holds.

    Raises:
        ConfigurationError: there is no decision log, or it has no answer to this request.
    """
    from langchain_core.messages import AIMessage

    from omni_router.decisions.entry import is_about
    from omni_router.errors import ConfigurationError
    from omni_router.selection.overrides import decision_metadata
    from omni_router.services import open_decision_log

    newest: dict[str, Any] | None = None
    log = open_decision_log(environment)
    for entry in log.entries():
        if entry["attempts"] and not entry["error"] and is_about(entry, messages):
            newest = entry
    if newest is None:
        raise ConfigurationError(f"{log.path} has no answer to this prompt that another model could replace")
    return AIMessage("", response_metadata={"decision": decision_metadata(newest)})


def _within_token(settings: "Settings", environment: Environment, token: str | None) -> "Settings":
    """Return the settings for the models that can be called: without a token those of one's own, or none."""
    from omni_router.config.route_file import RouteFile
    from omni_router.hub.tokens import find_token

    if environment.sandbox or find_token(token):
        return settings
    if providers := RouteFile(environment.route_config).providers():
        log_note("no Hugging Face token: only models of the policy's own providers are called.")
        own = tuple(f"{provider.name}/*" for provider in providers)
        return settings.model_copy(update={"only": settings.only or own})
    log_note("no Hugging Face token: routing only. Set HF_TOKEN (or --hf-token) for answers, "
             "or use --sandbox for simulated ones.")  # fmt: skip
    return settings.model_copy(update={"skip_specialists": True})


def _name_models_of_the_demo(policy: Path) -> None:
    from omni_router._sandbox.models import name_models
    from omni_router.config.route_file import RouteFile

    try:
        name_models(RouteFile(policy))
    except OSError as error:
        log_note(f"{policy} cannot be written: {error}")
    else:
        log_note(
            'it names a sandbox model for each route, as your own policy may name real ones ("models": ["org/name"]); '
            "to compare them: omni-router --list-models text-generation --sandbox"
        )


def is_answered(error: object, model: str | None, *, only_route: bool) -> bool:
    """Return whether a query was answered, or else routed."""
    return error is None and (model is not None or not only_route)


def _follow(graph: Any, messages: "list[AnyMessage]", transcript: Transcript) -> "Finished":
    """Run the graph, show its events as they come, and return the last one."""
    from omni_router.events import Finished, stream

    finished = Finished({})
    for event in stream(graph, {"messages": messages}, tokens=transcript.shows_tokens):
        if isinstance(event, Finished):
            finished = event
        else:
            show(event, transcript)
    return finished


def show(event: "RunEvent", view: View) -> None:
    """Show an event of a run as it comes."""
    from omni_router.events import AttemptEnded, DecisionMade, Recorded, RouterReplied, Token
    from omni_router.messages import reasoning_of

    match event:
        case RouterReplied():
            view.show_router(event.reply, event.candidates)
        case DecisionMade():
            view.show_decision(event.decision)
        case Token():
            view.show_token(event.text, reasoning_of(event.message))
        case AttemptEnded():
            view.show_attempt(event.attempt)
        case Recorded():
            view.show_record(event.route, event.model, event.file)
