"""What may stand as `model` in a request, and the list of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from omni_router.config.policy import Route
from omni_router.model_id import split_model_id
from omni_router.server.openai_api.errors import ApiError, shown
from omni_router.services import Services
from omni_router.tasks import TASKS

OMNI = "omni"
# What huggingface_hub's client sends where no model was named: the word, or the address that it was given.
_UNNAMED = ("dummy", "http://", "https://")


def chosen(model: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Give what a model's name settles for the graph: nothing, a route, or the very model.

    Raises:
        ApiError: it is none of what is allowed; 404, as OpenAI has it.
    """
    if model.casefold() == OMNI or model.startswith(_UNNAMED):
        return {}
    head, slash, name = model.partition("/")
    if slash and head.casefold() == OMNI:
        route = next((route for route in routes if route.name.casefold() == name.casefold()), None)
        if route is None:
            allowed = ", ".join(f"{OMNI}/{route.name}" for route in routes)
            raise _unknown(f"There is no route {shown(name)}; there are {allowed}.")
        return {"route": route.name}
    if split_model_id(model) == (None, None):
        raise _unknown(
            f"The model is {shown(model)}; allowed are {OMNI} (the router chooses), {OMNI}/ROUTE, and a model of the "
            "Hub as org/name or org/name:provider. GET /v1/models lists them."
        )
    return {"model": model}


def listed(services: Services) -> list[dict[str, Any]]:
    """List what may be asked for: the router's choice, each route, and every model that is served live."""
    catalog = services.catalog.models(TASKS)
    live = [model.id for task in TASKS for model in catalog.get(task, ())]
    ours = [OMNI, *(f"{OMNI}/{route.name}" for route in services.policy.routes())]
    return [*_entries(ours, "omni-router"), *_entries(live)]


def _entries(names: Iterable[str], owner: str | None = None) -> list[dict[str, Any]]:
    return [
        # Nobody says when a model was made; the key has to be there for OpenAI's clients.
        {"id": name, "object": "model", "created": 0, "owned_by": owner or name.partition("/")[0]}
        for name in dict.fromkeys(names)
    ]


def _unknown(message: str) -> ApiError:
    return ApiError(message, status=404, code="model_not_found", param="model")
