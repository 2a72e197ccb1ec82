"""`--prompt` and `--demo`: route requests, and answer them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import log_note
from omni_router.cli.demo import DEFAULT_MULTI_MODAL_QUERIES, Query
from omni_router.cli.missing_policy import missing_policy
from omni_router.cli.parser import read_environment, values_for
from omni_router.cli.stdin import has_unread_stdin, read_query
from omni_router.cli.transcript import Transcript
from omni_router.config.environment import Environment

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, AnyMessage

    from omni_router.config.settings import Settings
    from omni_router.events import Finished

ANSWERED, FAILED = 0, 1


def run(ctx: click.Context, *, prompt: str | None, image_url: str | None, **flags: Any) -> int:
    """Answer a prompt, or those of the demo; return 1 if one of them has no answer.

    Raises:
        OmniRouterError: something must be corrected first.
    """
    environment, settings = read_environment(ctx), read_settings(ctx)
    from omni_router import Services, build_graph, user_message
    from omni_router.selection.sources import services_for

    if prompt is None:
        queries = list(DEFAULT_MULTI_MODAL_QUERIES)
    else:
        queries = [read_query(prompt, image_url, appends=bool(ctx.args))]
    transcript = Transcript(as_json=flags["as_json"], debug=flags["debug_router"], policy=environment.route_config)
    if text := missing_policy(environment, records=True):
        log_note(text)
    if not settings.skip_specialists:
        settings = _within_token(settings, environment, flags["hf_token"])
    if environment.sandbox:
        _introduce_sandbox(environment.route_config, names_models=flags["demo"] and flags["route_config"] is None)
    transcript.wait("starting")
    messages: list[list[AnyMessage]] = [[user_message(query.prompt, query.image)] for query in queries]
    if settings.another:
        messages = [[*asked, _answer_to(asked, environment)] for asked in messages]
    services = Services.from_environment(environment, token=flags["hf_token"])
    evidence = services_for(services, services.policy.routes(), settings).evidence
    if evidence:
        evidence.current()  # what the disk has of it is read in the background, before the first choice
    graph = build_graph(services, settings).compile()
    transcript.warn_of_unread_stdin(unread=not ctx.args and has_unread_stdin())
    turns = list(zip(queries, messages, strict=True))
    answered = _answer(graph, turns, transcript, only_route=settings.skip_specialists)
    if flags["demo"]:
        transcript.close(environment)
    return ANSWERED if answered else FAILED


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


def _introduce_sandbox(policy: Path, *, names_models: bool) -> None:
    log_note("sandbox: answers and images are simulated on this machine; routing is real.")
    log_note(f"policy and history: {policy}")
    if names_models:
        _name_models_of_the_demo(policy)


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


def _answer(
    graph: Any, turns: "Sequence[tuple[Query, list[AnyMessage]]]", transcript: Transcript, *, only_route: bool
) -> bool:
    """Run the graph for each query, and show what happens; return whether each was answered, or else routed."""
    answered = True
    for number, (query, messages) in enumerate(turns, 1):
        transcript.begin(query, number, len(turns))
        finished = _follow(graph, messages, transcript)
        transcript.end(query, finished)
        result = finished.result
        answered &= result.error is None and (result.model is not None or not only_route)
    return answered


def _follow(graph: Any, messages: "list[AnyMessage]", transcript: Transcript) -> "Finished":
    """Run the graph, show its events as they come, and return the last one."""
    from omni_router.events import AttemptEnded, DecisionMade, Finished, Recorded, RouterReplied, Token, stream

    finished = Finished({})
    for event in stream(graph, {"messages": messages}, tokens=transcript.shows_tokens):
        match event:
            case RouterReplied():
                transcript.show_router(event)
            case DecisionMade():
                transcript.show_decision(event)
            case Token():
                transcript.show_token(event)
            case AttemptEnded():
                transcript.show_attempt(event)
            case Recorded():
                transcript.show_record(event)
            case Finished():
                finished = event
    return finished
