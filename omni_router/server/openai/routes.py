"""The routes under /v1, and what guards each: the same ones alone and within another server."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from omni_router.server.graph_access import Compiled, services_of
from omni_router.server.openai import models
from omni_router.server.openai.chat import chat
from omni_router.server.openai.decision import route
from omni_router.server.openai.errors import ApiError, as_api_error
from omni_router.server.openai.guard import Gate, Guard, Limits
from omni_router.server.openai.ignored import ignored_header
from omni_router.server.openai.images import images
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.run import Api
from omni_router.server.openai.to_json import Answer

Handler = Callable[[Api, Request], Coroutine[Any, Any, Response]]


async def _models(api: Api, _: Request) -> Response:
    return Answer({"object": "list", "data": await asyncio.to_thread(_listed, api)})


async def _model(api: Api, request: Request) -> Response:
    name = request.path_params["name"]
    found = next((entry for entry in await asyncio.to_thread(_listed, api) if entry["id"] == name), None)
    if found is None:
        raise ApiError(f"The model {name!r} is not listed; GET /v1/models lists them.", status=404, param="model",
                       code="model_not_found")  # fmt: skip
    return Answer(found)


def _listed(api: Api) -> list[dict[str, object]]:
    return models.listed(services_of(api.graph), api.started)


async def _nothing(_: Api, request: Request) -> Response:
    served = ", ".join(f"{method} {path}" for method, path, _ in SERVED)
    known = any(path == request.url.path for _, path, _ in SERVED)
    raise ApiError(f"{request.method} {request.url.path} is not served here; served are {served}.",
                   status=405 if known else 404, code="unknown_url")  # fmt: skip


SERVED: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/chat/completions", chat),
    ("POST", "/v1/images/generations", images),
    ("POST", "/v1/route", route),
    ("GET", "/v1/models", _models),
)


def make_routes(graph: Compiled, limits: Limits | None = None) -> list[Route]:
    """Make them for a compiled graph; without `limits` those of the environment are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed.
    """
    api, guard = Api(graph, DecisionMemory()), [Middleware(Guard, gate=Gate(limits or Limits.read()))]

    def made(path: str, handler: Handler, *methods: str) -> Route:
        endpoint = _answering(api, handler)
        return Route(path, endpoint, methods=methods, name=handler.__name__.strip("_"), middleware=guard)

    return [
        *(made(path, handler, method) for method, path, handler in SERVED),
        made("/v1/models/{name:path}", _model, "GET"),
        made("/v1/{rest:path}", _nothing, "GET", "POST", "PUT", "PATCH", "DELETE"),
    ]


def _answering(api: Api, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Answer failures here: another server's own handlers would give them another shape."""

    async def answer(request: Request) -> Response:
        response = await _answered(api, handler, request)
        response.headers.update(ignored_header(request))
        return response

    return answer


async def _answered(api: Api, handler: Handler, request: Request) -> Response:
    try:
        return await handler(api, request)
    except ClientDisconnect:
        return Response(status_code=499)  # the client does not read it
    except Exception as error:  # noqa: BLE001 (told to the client, and to the log where it is ours)
        failure = as_api_error(error)
        request.state.failed = failure.code
        return failure.response()
