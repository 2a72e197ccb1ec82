"""POST /v1/images/generations."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import HumanMessage
from starlette.requests import Request

from omni_router.artifacts import artifact_base64, artifact_data_url
from omni_router.config.settings import OMNI, Settings
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai.answers import answer_of, headers_of, omni_of
from omni_router.server.openai.bodies import ignored_names, note_ignored, read_as, read_json
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.models import settings_of_model
from omni_router.server.openai.overrides import FIELDS, read_overrides
from omni_router.server.openai.requests import ImageRequest
from omni_router.server.openai.run import Api
from omni_router.tasks import TASKS


async def images(api: Api, request: Request) -> ModelJSONResponse:
    """Generate an image from a prompt."""
    body = await read_json(request)
    image_request, settings = await asyncio.to_thread(_prepare, api, request, body)
    result = await api.result(request, [HumanMessage(image_request.prompt)], settings)
    answer_of(result)
    data = [await asyncio.to_thread(_image, artifact, image_request) for artifact in result["artifacts"]]
    answer = {"created": int(time.time()), "data": data, "output_format": "png", "omni": omni_of(result)}
    return ModelJSONResponse(answer, headers=headers_of(result))


def _prepare(api: Api, request: Request, body: Mapping[str, Any]) -> tuple[ImageRequest, Settings]:
    image_request = read_as(ImageRequest, body)
    routes = services_of(api.graph).policy.routes()
    image_routes = [route.name for route in routes if _generates_images(route.task)]
    settings = settings_of_model(image_request.model, routes) | read_overrides(request.headers, body, routes)
    note_ignored(request, [name for name in ignored_names(ImageRequest, body) if name not in FIELDS])
    if not image_routes:
        raise ApiError("No route of the server's policy generates images.", status=422, code="no_route")
    # The path says that an image is requested, so the router is not asked. Of several such routes the first is taken,
    # unless one is named.
    route = settings.setdefault("route", image_routes[0])
    if route not in image_routes:
        allowed = ", ".join(f"{OMNI}/{name}" for name in image_routes)
        raise ApiError(f"The route {route!r} does not generate images; allowed are {OMNI}, {allowed}, and a model id.",
                       param="model", code="invalid_value")  # fmt: skip
    return image_request, api.settings(**{**image_request.settings(), **settings})


def _generates_images(task: str) -> bool:
    output = TASKS[task].output
    return output is not None and output.mime_type.startswith("image/")


def _image(artifact: Mapping[str, Any], image_request: ImageRequest) -> dict[str, str]:
    """Return an image; as `url` a data URL, since nobody would know when a file may be deleted."""
    if image_request.response_format == "url":
        return {"url": artifact_data_url(artifact)}
    return {"b64_json": artifact_base64(artifact)}
