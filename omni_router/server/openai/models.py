"""What may stand as `model` in a request, and the list of it."""

from collections.abc import Sequence
from typing import Any

from omni_router.config.routes import Route
from omni_router.model_id import split_model_id
from omni_router.server.openai.errors import ApiError, shown
from omni_router.services import Services
from omni_router.tasks import TASKS

OMNI = "omni"
# What huggingface_hub's client sends where no model was named: the word, or the address that it was given.
_UNNAMED = ("dummy", "http://", "https://")


def chosen(model: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Give what a model's name settles for the graph: nothing, a route, or the very model.

    Raises:
        ApiError: the name is not allowed; 404, as OpenAI has it.
    """
    if model.casefold() == OMNI or model.startswith(_UNNAMED):
        return {}
    head, slash, name = model.partition("/")
    if slash and head.casefold() == OMNI:
        route = next((route for route in routes if route.name.casefold() == name.casefold()), None)
        if route is None:
            allowed = ", ".join(f"{OMNI}/{route.name}" for route in routes)
            raise _unknown(f"There is no route {shown(name)}; allowed are {allowed}.")
        return {"route": route.name}
    if split_model_id(model) == (None, None):
        raise _unknown(
            f"The model is {shown(model)}; allowed are {OMNI} (the router chooses), {OMNI}/ROUTE, and a model of the "
            "Hub as org/name or org/name:provider. GET /v1/models lists them."
        )
    return {"model": model}


def listed(services: Services, started: int) -> list[dict[str, Any]]:
    """List what may be asked for: the router's choice, each route, and every model that is served live.

    `created` is when the Hub says that a model was made, else `started`, when this server was.
    """
    catalog = services.catalog.models(TASKS)
    ours = [OMNI, *(f"{OMNI}/{route.name}" for route in services.policy.routes())]
    entries = {name: _entry(name, "omni-router", started) for name in ours}
    for task in TASKS:
        for model in catalog.get(task, ()):
            entries.setdefault(model.id, _entry(model.id, model.id.partition("/")[0], model.created or started))
    return list(entries.values())


def _entry(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _unknown(message: str) -> ApiError:
    return ApiError(message, status=404, code="model_not_found", param="model")
