"""GET /v1/models, and the values that `model` may have in a request."""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.routes import Route
from omni_router.model_id import split_model_id
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai.errors import ApiError, shown
from omni_router.server.openai.run import Api
from omni_router.tasks import TASKS

OMNI = "omni"
# What huggingface_hub's client sends if no model is named: this word, or the address of the server.
_UNNAMED = ("dummy", "http://", "https://")


async def list_models(api: Api, _: Request) -> Response:
    """List the values that `model` may have."""
    return ModelJSONResponse({"object": "list", "data": await asyncio.to_thread(_entries, api)})


async def get_model(api: Api, request: Request) -> Response:
    """Return one entry of the list."""
    name = request.path_params["name"]
    for entry in await asyncio.to_thread(_entries, api):
        if entry["id"] == name:
            return ModelJSONResponse(entry)
    raise _unknown(f"The model {name!r} is not listed; GET /v1/models lists them.")


def settings_of_model(model: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the fields of `Settings` that a value of `model` stands for: none, a route, or the model itself.

    Raises:
        ApiError: the value is not allowed; 404, as in OpenAI's API.
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


def _entries(api: Api) -> list[dict[str, Any]]:
    """Return an entry for the router's choice, each route, and every model that is served live.

    `created` is the date of a model on the Hub, else the start of this server.
    """
    services = services_of(api.graph)
    catalog = services.catalog.models(TASKS)
    own_names = [OMNI, *(f"{OMNI}/{route.name}" for route in services.policy.routes())]
    entries = {name: _entry(name, "omni-router", api.started) for name in own_names}
    for task in TASKS:
        for model in catalog.get(task, ()):
            entries.setdefault(model.id, _entry(model.id, model.id.partition("/")[0], model.created or api.started))
    return list(entries.values())


def _entry(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _unknown(message: str) -> ApiError:
    return ApiError(message, status=404, code="model_not_found", param="model")
