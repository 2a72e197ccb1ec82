"""GET /v1/models for Anthropic's clients, which are recognized by the version that they name in a header."""

from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from omni_router.server.anthropic.errors import REQUEST_ID, request_id
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.openai import models
from omni_router.server.openai.run import Api

VERSION_HEADER = "anthropic-version"


async def list_models(api: Api, request: Request) -> Response:
    """List the values that `model` may have, on one page, whatever `limit` says."""
    if VERSION_HEADER not in request.headers:
        return await models.list_models(api, request)
    entries = [_entry(entry) for entry in await models.model_entries(api)]
    page = {"data": entries, "has_more": False, "first_id": entries[0]["id"], "last_id": entries[-1]["id"]}
    return _response(page)


async def get_model(api: Api, request: Request) -> Response:
    """Return one entry of the list."""
    if VERSION_HEADER not in request.headers:
        return await models.get_model(api, request)
    return _response(_entry(await models.model_entry(api, request.path_params["name"])))


def _response(body: dict[str, Any]) -> Response:
    return ModelJSONResponse(body, headers={REQUEST_ID: request_id({})})


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(entry["created"], timezone.utc)
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry["id"],
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
