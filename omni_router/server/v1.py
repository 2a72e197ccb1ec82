"""The routes under /v1, and those under /omni that need a key, each with its middleware.

They behave alike alone and within another server.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from omni_router._version import __version__
from omni_router.server import inspection
from omni_router.server.anthropic.endpoints import VERSION_HEADER, count_tokens, get_model, list_models, messages
from omni_router.server.anthropic.errors import anthropic_error
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import Compiled
from omni_router.server.openai.bodies import ignored_header
from omni_router.server.openai.chat import Handler, chat, route
from omni_router.server.openai.completions import ChatCompletions
from omni_router.server.openai.decisions import decisions
from omni_router.server.openai.embeddings import embeddings
from omni_router.server.openai.errors import ApiError, ErrorWriter, as_api_error, openai_error
from omni_router.server.openai.guard import Access, AuthMiddleware, Limits
from omni_router.server.openai.images import images
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.run import Api
from omni_router.server.openai.user_accounts import UserAccounts
from omni_router.server.responses.dialect import Responses

_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWN_PATHS = ("GET /omni/health", "GET /omni/ready", "GET /omni/metrics")  # the paths of a server of our own


class Endpoint(NamedTuple):
    """A path that is served, and the dialect in which its errors are written."""

    method: str
    path: str
    handler: Handler
    error_writer: ErrorWriter = openai_error


def _by_version(error: ApiError, headers: Headers) -> ModelJSONResponse:
    """Return a failure in the form that its client reads: Anthropic's clients name the version of their interface."""
    if VERSION_HEADER in headers:
        return anthropic_error(error, headers)
    return openai_error(error, headers)


SERVED: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v1/chat/completions", chat(ChatCompletions)),
    Endpoint("POST", "/v1/responses", chat(Responses)),
    Endpoint("POST", "/v1/messages", messages, anthropic_error),
    Endpoint("POST", "/v1/messages/count_tokens", count_tokens, anthropic_error),
    Endpoint("POST", "/v1/images/generations", images),
    Endpoint("POST", "/v1/embeddings", embeddings),
    Endpoint("POST", "/v1/route", route),
    Endpoint("POST", "/v1/decisions", decisions),
    Endpoint("GET", "/v1/models", list_models, _by_version),
    Endpoint("GET", "/omni/routes", inspection.routes),
    Endpoint("GET", "/omni/routes/{name}/models", inspection.models),
    Endpoint("GET", "/omni/decisions/{id}", inspection.decision),
    Endpoint("POST", "/omni/feedback", inspection.feedback),
)


async def _not_found(_: Api, request: Request) -> Response:
    path = request.url.path
    known = any(endpoint.path == path for endpoint in SERVED)
    advice = f"served are {', '.join(_names())}."
    if path.startswith("/v1/v1/"):
        advice = "Anthropic's clients add /v1 themselves: give them the base URL without it."
    raise ApiError(f"{request.method} {path} is not served here; {advice}",
                   status=405 if known else 404, code="unknown_url")  # fmt: skip


def _names() -> list[str]:
    return [f"{endpoint.method} {endpoint.path}" for endpoint in SERVED]


def make_routes(graph: Compiled, limits: Limits | None = None) -> list[Route]:
    """Return the routes for a compiled graph; without `limits` those of the environment are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed.
    """
    limits = limits or Limits.read()
    accounts = UserAccounts.of_graph(graph)
    api, access = Api(graph, DecisionMemory(), accounts), Access(limits, accounts)
    further = (
        Endpoint("GET", "/v1/models/{name:path}", get_model, _by_version),
        *(Endpoint(method, "/v1/{rest:path}", _not_found, _by_version) for method in _ANY_METHOD),
    )

    def build(endpoint: Endpoint) -> Route:
        guard = Middleware(AuthMiddleware, access=access, error_writer=endpoint.error_writer)
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
        return endpoint.error_writer(failure, request.headers)


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
            "help": "Use this base_url and the model omni with any OpenAI client, and without /v1 with any client of "
            "Anthropic's. See omni-router serve --help.",
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
