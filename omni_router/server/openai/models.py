"""GET /v1/models, and the values that `model` may have in a request."""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.parameters import PREFER, split_prefer
from omni_router.config.routes import Route
from omni_router.config.settings import OMNI, settings_of_own_name
from omni_router.model_id import split_model_id
from omni_router.selection.sources import services_for
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai.errors import ApiError, shown
from omni_router.server.openai.run import Api
from omni_router.tasks import TASKS

# What huggingface_hub's client sends if no model is named: this word, or the address of the server.
_UNNAMED = ("dummy", "http://", "https://")


async def list_models(api: Api, _: Request) -> Response:
    """List the values that `model` may have."""
    return ModelJSONResponse({"object": "list", "data": await model_entries(api)})


async def get_model(api: Api, request: Request) -> Response:
    """Return one entry of the list."""
    name = request.path_params["name"]
    return ModelJSONResponse(await model_entry(api, name))


async def model_entries(api: Api) -> list[dict[str, Any]]:
    """Return the list, in OpenAI's form."""
    return await asyncio.to_thread(_entries, api)


async def model_entry(api: Api, name: str) -> dict[str, Any]:
    """Return one entry of the list, in OpenAI's form.

    Raises:
        ApiError: it is not on the list.
    """
    for entry in await model_entries(api):
        if entry["id"] in (name, split_prefer(name)[0]):
            return {**entry, "id": name}
    raise _unknown(f"The model {shown(name)} is not listed; GET /v1/models lists them.")


def settings_of_model(model: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the fields of `Settings` that a value of `model` stands for.

    These are none, a route, what is preferred, or the model itself.

    Raises:
        ApiError: the value is not allowed; 404, as in OpenAI's API.
    """
    if model.startswith(_UNNAMED):
        return {}
    settings = settings_of_own_name(model)
    if settings is not None:
        if "route" in settings:
            settings["route"] = _route_named(settings["route"], routes)
        return settings
    if split_model_id(model) == (None, None):
        raise _unknown(
            f"The model is {shown(model)}; allowed are {OMNI} (the router chooses), {OMNI}/ROUTE, either with "
            f":{', :'.join(PREFER)} or a number behind it, and a model of the Hub as org/name or org/name:provider. "
            "GET /v1/models lists them."
        )
    return {"model": model}


def _route_named(name: str, routes: Sequence[Route]) -> str:
    for route in routes:
        if route.name.casefold() == name.casefold():
            return route.name
    allowed = ", ".join(f"{OMNI}/{route.name}" for route in routes)
    raise _unknown(f"There is no route {shown(name)}; allowed are {allowed}.")


def _entries(api: Api) -> list[dict[str, Any]]:
    """Return an entry for the router's choice, each route, each preference, and every model that is served live.

    `created` is the date of a model on the Hub, else the start of this server.
    """
    services = services_of(api.graph)
    catalog = services_for(services, services.policy.routes()).catalog.models(TASKS)
    own_names = [OMNI, *(f"{OMNI}/{route.name}" for route in services.policy.routes())]
    own_names += [f"{OMNI}:{word}" for word in PREFER]
    entries = {name: _entry(name, "omni-router", api.started) for name in own_names}
    for task in TASKS:
        for model in catalog.get(task, ()):
            entries.setdefault(model.id, _entry(model.id, model.id.partition("/")[0], model.created or api.started))
    return list(entries.values())


def _entry(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _unknown(message: str) -> ApiError:
    return ApiError(message, status=404, code="model_not_found", param="model")
