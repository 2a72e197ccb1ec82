"""POST /v1/images/generations."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import HumanMessage
from starlette.requests import Request

from omni_router.artifacts import artifact_base64, artifact_data_url
from omni_router.config.settings import Settings
from omni_router.server.graph_access import services_of
from omni_router.server.openai.answers import answer_of, headers_of, omni_of
from omni_router.server.openai.bodies import ignored_names, read_as, read_json
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.ignored import note_ignored
from omni_router.server.openai.models import OMNI, chosen
from omni_router.server.openai.overrides import FIELDS, read_overrides
from omni_router.server.openai.requests import ImageRequest
from omni_router.server.openai.run import Api
from omni_router.server.openai.to_json import Answer
from omni_router.tasks import TASKS


async def images(api: Api, request: Request) -> Answer:
    """Make an image from a prompt."""
    found = await read_json(request)
    asked, settings = await asyncio.to_thread(_prepare, api, request, found)
    result = await api.result(request, [HumanMessage(asked.prompt)], settings)
    answer_of(result)
    data = [await asyncio.to_thread(_image, artifact, asked) for artifact in result["artifacts"]]
    body = {"created": int(time.time()), "data": data, "output_format": "png", "omni": omni_of(result)}
    return Answer(body, headers=headers_of(result))


def _prepare(api: Api, request: Request, found: Mapping[str, Any]) -> tuple[ImageRequest, Settings]:
    asked = read_as(ImageRequest, found)
    routes = services_of(api.graph).policy.routes()
    drawing = [route.name for route in routes if _makes_images(route.task)]
    settled = chosen(asked.model, routes)
    overrides = read_overrides(request.headers, found, routes)
    note_ignored(request, [name for name in ignored_names(ImageRequest, found) if name not in FIELDS])
    if not drawing:
        raise ApiError("No route of the server's policy makes images.", status=422,
                       code="no_route")  # fmt: skip
    # The router is not asked whether an image is wanted: this address says so. Of several such routes the first is
    # taken, unless one is named.
    taken = settled.setdefault("route", drawing[0])
    if taken not in drawing:
        allowed = ", ".join(f"{OMNI}/{name}" for name in drawing)
        raise ApiError(f"The route {taken!r} makes no images; allowed are {OMNI}, {allowed}, and a model's id.",
                       param="model", code="invalid_value")  # fmt: skip
    return asked, api.settings(**settled, **asked.knobs(), **overrides)


def _makes_images(task: str) -> bool:
    output = TASKS[task].output
    return output is not None and output.mime_type.startswith("image/")


def _image(artifact: Mapping[str, Any], asked: ImageRequest) -> dict[str, str]:
    """Return an image; as `url` a data URL, since nothing here would say when a file may be deleted."""
    if asked.response_format == "url":
        return {"url": artifact_data_url(artifact)}
    return {"b64_json": artifact_base64(artifact)}
