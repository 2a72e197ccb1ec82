"""The choices that override a router: the caller's settings, or a tool loop that is under way."""

from collections.abc import Mapping, Sequence
from itertools import dropwhile
from operator import attrgetter
from typing import Any, NamedTuple, get_args

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest
from omni_router.hub.catalog import Catalog
from omni_router.messages import newest_user_message, newest_user_text, since_request
from omni_router.model_id import split_model_id
from omni_router.routers import Proposal
from omni_router.selection.routes import routes_with_tools, tasks_of
from omni_router.services import Services
from omni_router.state import Candidate, Decision, Source, rejected

SOURCES = get_args(Source)
MAX_ID = 32  # characters of a decision's id
MAX_REPLACED = 20  # models that one request remembers to have had
CARRIED = ("id", "route", "task", "model", "provider", "reason", "source", "confidence")


class DecisionMetadata(NamedTuple):
    """The decision behind an answer, as its message carries it."""

    route: str
    model: str
    provider: str | None
    source: Source
    id: str | None = None  # None: not one of ours
    instead_of: tuple[str, ...] = ()  # the models that had answered the same request before


def decision_metadata(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a decision that an answer's message carries in `response_metadata["decision"]`."""
    metadata = {key: decision[key] for key in CARRIED}
    if replaced := decision.get("instead_of"):
        metadata["instead_of"] = replaced
    return metadata


def decision_of(message: AnyMessage | None) -> DecisionMetadata | None:
    """Read the decision off an answer; None if there is none, or one that a client made up badly."""
    if not isinstance(message, AIMessage):
        return None
    metadata = message.response_metadata.get("decision")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("route"), str):
        return None
    if metadata.get("source") not in SOURCES:
        return None
    model, _ = split_model_id(str(metadata.get("model")))
    if model is None:
        return None
    provider = None
    if metadata.get("provider"):
        _, provider = split_model_id(f"{model}:{metadata['provider']}")
    replaced = metadata.get("instead_of")
    models = tuple(map(str, replaced)) if isinstance(replaced, list) else ()
    return DecisionMetadata(
        metadata["route"], model, provider, metadata["source"], _own_id(metadata.get("id")), models[-MAX_REPLACED:]
    )


def _own_id(value: object) -> str | None:
    """Return the id of a decision if it looks like one: it may come from anywhere, and goes into the history."""
    if isinstance(value, str) and value.isascii() and value.isalnum() and len(value) <= MAX_ID:
        return value
    return None


def tool_loop(messages: Sequence[AnyMessage]) -> DecisionMetadata | None:
    """Return the decision behind the tool calls that the newest messages answer; None outside of such a loop."""
    if not messages or messages[-1].type != "tool":
        return None
    return decision_of(next(dropwhile(lambda message: message.type == "tool", reversed(messages)), None))


def replaced_answer(settings: Settings, messages: Sequence[AnyMessage]) -> DecisionMetadata | None:
    """Return the decision behind the answer that another model is to replace; None if none is to be replaced.

    The request has been answered already, or it is sent again behind its answer. A tool loop goes on with its model.

    Raises:
        InvalidRequest: the request has no answer yet, or the settings name the model.
    """
    if not settings.another or tool_loop(messages):
        return None
    if settings.model is not None:
        raise InvalidRequest("`another` and `model` exclude each other: one leaves the choice open, the other names it")
    answers = since_request(messages)
    earlier = messages[: len(messages) - len(answers) - 1]
    if newest_user_message(earlier) and newest_user_text(earlier) == newest_user_text(messages):
        answers = [*since_request(earlier), *answers]
    for message in reversed(answers):
        if metadata := decision_of(message):
            return metadata
    raise InvalidRequest("the request has no answer that another model could replace: send it without `another`")


def without_replaced(decision: Decision, replaced: DecisionMetadata) -> Decision:
    """Return a decision that leaves out the models which have answered its request."""
    candidate = Candidate(model=replaced.model, provider=replaced.provider, source=replaced.source, why="")
    rejection = rejected(candidate, "replaced", "it has answered this request, and another model was asked for")
    models = list(dict.fromkeys((*replaced.instead_of, replaced.model)))
    return {**decision, "instead_of": models, "passed_over": [*decision["passed_over"], rejection]}


def explicit_choice(settings: Settings, messages: Sequence[AnyMessage], routes: Sequence[Route]) -> Proposal | None:
    """Return what the caller or a tool loop has chosen; None if the router is to choose.

    Raises:
        InvalidRequest: another model is asked for where none has answered.
    """
    loop, replaced = tool_loop(messages), replaced_answer(settings, messages)
    for route in routes:
        if loop and loop.route == route.name:
            return Proposal(loop.route, loop.model, "the tool loop stays with its model", loop.provider)
        if replaced and (settings.route or replaced.route).casefold() == route.name.casefold():
            return Proposal(route.name, None, f"another model than {replaced.model} was asked for")
    if settings.route is None:
        return None
    return Proposal(routes[0].name, None, "the caller named the route")


def callers_model(settings: Settings) -> Candidate | None:
    """Return the model that the caller named: it is called whatever the history says of it, and no other.

    Raises:
        InvalidRequest: it is neither `org/name` nor `org/name:provider`.
    """
    if settings.model is None:
        return None
    model, provider = named_model(settings.model)
    return Candidate(model=model, provider=provider, source="caller", why="the caller named the model")


def tool_loops_model(messages: Sequence[AnyMessage], decision: Decision, services: Services) -> Candidate | None:
    """Return the model of a tool loop on the decision's route: it is called whatever the history says of it.

    Anybody may have written the messages: a model that the route does not have counts as the caller's.
    """
    loop = tool_loop(messages)
    if loop is None or loop.route != decision["route"]:
        return None
    candidate = Candidate(model=loop.model, provider=loop.provider, source="caller", why=decision["reason"])
    if _has_model(decision, loop.model, services):
        candidate["source"] = loop.source
    return candidate


def routes_for(settings: Settings, eligible: Sequence[Route], known: Sequence[Route], catalog: Catalog) -> list[Route]:
    """Return the routes that the caller's settings allow: the one named, or those that their tools and model can serve.

    Raises:
        InvalidRequest: the policy has no route of that name, or the model is not `org/name`.
    """
    if settings.route is not None:
        return [_named_route(settings.route, known)]
    routes = list(eligible)
    if settings.tools:
        routes = routes_with_tools(eligible)
    if settings.model is None:
        return routes
    # When no route is left, any will do to report why the model cannot be called.
    return _routes_of_model(settings.model, routes, catalog) or routes


def _routes_of_model(text: str, routes: Sequence[Route], catalog: Catalog) -> list[Route]:
    """Return the routes whose task the model that the caller named may be called for."""
    model, provider = named_model(text)
    tasks = tasks_of(routes)
    catalog.models(tasks)  # the lists of all tasks are asked for at once, and remembered
    refused: set[str] = set()
    for task in tasks:
        if catalog.check(model, provider, task).refused:
            refused.add(task)
    return [route for route in routes if route.task not in refused]


def named_model(text: str) -> tuple[str, str | None]:
    """Parse a model that the caller names, as model and provider.

    Raises:
        InvalidRequest: it is neither `org/name` nor `org/name:provider`.
    """
    model, provider = split_model_id(text)
    if model is None:
        raise InvalidRequest(f"{text!r} is not a model id; allowed are org/name and org/name:provider")
    return model, provider


def _named_route(name: str, known: Sequence[Route]) -> Route:
    for route in known:
        if route.name.casefold() == name.casefold():
            return route
    names = ", ".join(route.name for route in known)
    raise InvalidRequest(f"unknown route {name!r}; the policy has {names}")


def _has_model(decision: Decision, model: str, services: Services) -> bool:
    """Return whether history or catalog has a model for the route of a decision."""
    route, task = str(decision["route"]), str(decision["task"])
    for record in services.history.models(route):
        if record["id"] == model:
            return True
    listing = services.catalog.models([task])[task]
    return model in map(attrgetter("id"), listing)
