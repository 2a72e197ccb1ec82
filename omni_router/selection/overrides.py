"""What is settled before a router is asked: by the caller's settings, or by a tool loop that is under way."""

from collections.abc import Mapping, Sequence
from itertools import dropwhile
from typing import Any, NamedTuple, get_args

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest
from omni_router.hub.catalog import Catalog
from omni_router.model_id import split_model_id
from omni_router.routers import Proposal
from omni_router.selection.routes import routes_with_tools
from omni_router.state import Source

SOURCES = get_args(Source)


class Answered(NamedTuple):
    """The decision behind an answer, as its message carries it."""

    route: str
    model: str
    provider: str | None
    source: Source


def answered_by(message: AnyMessage | None) -> Answered | None:
    """Read the decision off an answer; None for a message that carries none, or one that a client made up badly."""
    told = message.response_metadata.get("decision") if isinstance(message, AIMessage) else None
    if not isinstance(told, Mapping) or not isinstance(told.get("route"), str) or told.get("source") not in SOURCES:
        return None
    model, _ = split_model_id(str(told.get("model")))
    _, provider = split_model_id(f"{model}:{told['provider']}") if told.get("provider") else (None, None)
    return Answered(told["route"], model, provider, told["source"]) if model else None


def tool_loop(messages: Sequence[AnyMessage]) -> Answered | None:
    """Give the decision behind the tool calls that the newest messages are the results of; None outside such a loop."""
    if not messages or messages[-1].type != "tool":
        return None
    return answered_by(next(dropwhile(lambda message: message.type == "tool", reversed(messages)), None))


def settle(settings: Settings, messages: Sequence[AnyMessage], routes: Sequence[Route]) -> Proposal | None:
    """Propose what is settled already, so that the router need not be asked; None when it is to choose."""
    loop = tool_loop(messages)
    if loop and any(route.name == loop.route for route in routes):
        return Proposal(loop.route, loop.model, "the tool loop stays with its model", loop.provider)
    return Proposal(routes[0].name, None, "the caller named the route") if settings.route is not None else None


def routes_for(settings: Settings, offered: Sequence[Route], known: Sequence[Route], catalog: Catalog) -> list[Route]:
    """Leave the routes that the caller's settings allow: the one named, or those that their tools and model can serve.

    Raises:
        InvalidRequest: the policy has no route of that name, or the model is not `org/name`.
    """
    if settings.route is not None:
        return [_named(settings.route, known)]
    routes = routes_with_tools(offered) if settings.tools else list(offered)
    if settings.model is None:
        return routes
    model, provider = named_model(settings.model)
    catalog.models({route.task for route in routes})  # the lists of all tasks are asked for at once, and remembered
    refused = {task: catalog.check(model, provider, task).refused for task in {route.task for route in routes}}
    # When no task is left, any route will do to be told why the model cannot be called.
    return [route for route in routes if not refused[route.task]] or routes


def named_model(text: str) -> tuple[str, str | None]:
    """Read a model that the caller names, as model and provider.

    Raises:
        InvalidRequest: it is neither `org/name` nor `org/name:provider`.
    """
    model, provider = split_model_id(text)
    if model is None:
        raise InvalidRequest(f"the model is {text!r}; allowed is org/name, or org/name:provider")
    return model, provider


def _named(name: str, known: Sequence[Route]) -> Route:
    route = next((route for route in known if route.name.casefold() == name.casefold()), None)
    if route is None:
        raise InvalidRequest(f"the route is {name!r}; the policy has {', '.join(route.name for route in known)}")
    return route


def carried(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an answer's message carries of its decision, in `response_metadata["decision"]`."""
    return {
        key: decision[key] for key in ("id", "route", "task", "model", "provider", "reason", "source", "confidence")
    }
