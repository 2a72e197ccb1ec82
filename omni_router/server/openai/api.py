"""The routes under /v1, each with its middleware, so that they behave alike alone and within another server."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from omni_router._version import __version__
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import Compiled
from omni_router.server.openai.bodies import ignored_header
from omni_router.server.openai.chat import chat, route
from omni_router.server.openai.decisions import decisions
from omni_router.server.openai.errors import ApiError, as_api_error
from omni_router.server.openai.guard import AuthMiddleware, ConcurrencyLimit, Limits
from omni_router.server.openai.images import images
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.models import get_model, list_models
from omni_router.server.openai.run import Api

_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWN_PATHS = ("GET /omni/health", "GET /omni/ready", "GET /omni/metrics")  # the paths of a server of our own

Handler = Callable[[Api, Request], Coroutine[Any, Any, Response]]


async def _not_found(_: Api, request: Request) -> Response:
    served = ", ".join(f"{method} {path}" for method, path, _ in SERVED)
    known = any(path == request.url.path for _, path, _ in SERVED)
    raise ApiError(f"{request.method} {request.url.path} is not served here; served are {served}.",
                   status=405 if known else 404, code="unknown_url")  # fmt: skip


SERVED: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/chat/completions", chat),
    ("POST", "/v1/images/generations", images),
    ("POST", "/v1/route", route),
    ("POST", "/v1/decisions", decisions),
    ("GET", "/v1/models", list_models),
)


def make_routes(graph: Compiled, limits: Limits | None = None) -> list[Route]:
    """Return the routes for a compiled graph; without `limits` those of the environment are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed.
    """
    limits = limits or Limits.read()
    api = Api(graph, DecisionMemory())
    middleware = [Middleware(AuthMiddleware, key=limits.key, concurrency=ConcurrencyLimit(limits))]

    def build(path: str, handler: Handler, *methods: str) -> Route:
        endpoint = _endpoint(api, handler)
        return Route(path, endpoint, methods=methods, name=handler.__name__.strip("_"), middleware=middleware)

    return [
        *(build(path, handler, method) for method, path, handler in SERVED),
        build("/v1/models/{name:path}", get_model, "GET"),
        build("/v1/{rest:path}", _not_found, *_ANY_METHOD),
    ]


def _endpoint(api: Api, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers failures itself: another server's handlers would give them another form."""

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
    except Exception as error:  # noqa: BLE001 (reported to the client, and logged if it is the server's)
        failure = as_api_error(error)
        request.state.failed = failure.code
        return failure.response()


def root_routes() -> list[Route]:
    """Return `GET /`, and a last route for every other path: what is served, for a client with a wrong base URL."""
    return [Route("/", _index, methods=["GET"]), Route("/{rest:path}", _no_such_path, methods=_ANY_METHOD)]


async def _index(request: Request) -> Response:
    return ModelJSONResponse(
        {
            "name": "omni-router",
            "version": __version__,
            "base_url": _base_url(request),
            "paths": [*(f"{method} {path}" for method, path, _ in SERVED), *OWN_PATHS],
            "help": "Use this base_url and the model omni with any OpenAI client. See omni-router serve --help.",
        }
    )


async def _no_such_path(request: Request) -> Response:
    return ApiError(
        f"{request.method} {request.url.path} is not served here: use base_url {_base_url(request)} "
        "(GET / lists the paths).",
        status=404,
        code="unknown_url",
    ).response()


def _base_url(request: Request) -> str:
    return f"{request.base_url}v1"
