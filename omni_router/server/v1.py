"""The routes under /v1, each with its middleware, so that they behave alike alone and within another server."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from omni_router._version import __version__
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import Compiled
from omni_router.server.openai.bodies import ignored_header
from omni_router.server.openai.chat import Handler, chat, route
from omni_router.server.openai.completions import ChatCompletions
from omni_router.server.openai.dialect import Dialect
from omni_router.server.openai.embeddings import embeddings
from omni_router.server.openai.errors import ApiError, ErrorBody, as_api_error
from omni_router.server.openai.guard import AuthMiddleware, ConcurrencyLimit, Limits
from omni_router.server.openai.images import images
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.models import get_model, list_models
from omni_router.server.openai.run import Api
from omni_router.server.responses.dialect import Responses

_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWN_PATHS = ("GET /omni/health", "GET /omni/ready", "GET /omni/metrics")  # the paths of a server of our own


class Endpoint(NamedTuple):
    """A path that is served, and the dialect in which its errors are written."""

    method: str
    path: str
    handler: Handler
    error_body: ErrorBody = Dialect.error_body


def _conversation(path: str, dialect: type[Dialect]) -> Endpoint:
    return Endpoint("POST", path, chat(dialect), dialect.error_body)


SERVED: tuple[Endpoint, ...] = (
    _conversation("/v1/chat/completions", ChatCompletions),
    _conversation("/v1/responses", Responses),
    Endpoint("POST", "/v1/images/generations", images),
    Endpoint("POST", "/v1/embeddings", embeddings),
    Endpoint("POST", "/v1/route", route),
    Endpoint("GET", "/v1/models", list_models),
)


async def _not_found(_: Api, request: Request) -> Response:
    served = ", ".join(_names())
    known = any(endpoint.path == request.url.path for endpoint in SERVED)
    raise ApiError(f"{request.method} {request.url.path} is not served here; served are {served}.",
                   status=405 if known else 404, code="unknown_url")  # fmt: skip


def _names() -> list[str]:
    return [f"{endpoint.method} {endpoint.path}" for endpoint in SERVED]


def make_routes(graph: Compiled, limits: Limits | None = None) -> list[Route]:
    """Return the routes for a compiled graph; without `limits` those of the environment are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed.
    """
    limits = limits or Limits.read()
    api = Api(graph, DecisionMemory())
    concurrency = ConcurrencyLimit(limits)
    further = (
        Endpoint("GET", "/v1/models/{name:path}", get_model),
        *(Endpoint(method, "/v1/{rest:path}", _not_found) for method in _ANY_METHOD),
    )

    def build(endpoint: Endpoint) -> Route:
        guard = Middleware(AuthMiddleware, limits.key, concurrency, endpoint.error_body)
        return Route(
            endpoint.path,
            _answering(api, endpoint),
            methods=[endpoint.method],
            name=endpoint.handler.__name__.strip("_"),
            middleware=[guard],
        )

    return [build(endpoint) for endpoint in (*SERVED, *further)]


def _answering(api: Api, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers failures itself: another server's handlers would give them another form."""

    async def answer(request: Request) -> Response:
        response = await _answered(api, endpoint, request)
        response.headers.update(ignored_header(request))
        return response

    return answer


async def _answered(api: Api, endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint.handler(api, request)
    except ClientDisconnect:
        return Response(status_code=499)  # the client does not read it
    except Exception as error:  # noqa: BLE001 (reported to the client, and logged if it is the server's)
        failure = as_api_error(error)
        request.state.failed = failure.code
        return failure.response(endpoint.error_body)


def root_routes() -> list[Route]:
    """Return `GET /`, and a last route for every other path: what is served, for a client with a wrong base URL."""
    return [Route("/", _index, methods=["GET"]), Route("/{rest:path}", _no_such_path, methods=_ANY_METHOD)]


async def _index(request: Request) -> Response:
    return ModelJSONResponse(
        {
            "name": "omni-router",
            "version": __version__,
            "base_url": _base_url(request),
            "paths": [*_names(), *OWN_PATHS],
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
