"""What a server of our own says outside of /v1: what is here, and where a client that missed it has to go."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omni_router._version import __version__
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.routes import SERVED
from omni_router.server.openai.to_json import Answer

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWN_PATHS = ("GET /omni/health", "GET /omni/ready", "GET /omni/metrics")


def root_routes() -> list[Route]:
    """Make `GET /`, and a last route that takes every path that no other route took."""
    return [Route("/", _root, methods=["GET"]), Route("/{rest:path}", _not_found, methods=METHODS)]


async def _root(request: Request) -> Response:
    return Answer(
        {
            "name": "omni-router",
            "version": __version__,
            "base_url": _base_url(request),
            "paths": [*(f"{method} {path}" for method, path, _ in SERVED), *OWN_PATHS],
            "help": "Give base_url to any client of OpenAI's API, with the model omni. See omni-router serve --help.",
        }
    )


async def _not_found(request: Request) -> Response:
    return ApiError(
        f"{request.method} {request.url.path} is not served here: use base_url {_base_url(request)} "
        "(GET / lists the paths).",
        status=404,
        code="unknown_url",
    ).response()


def _base_url(request: Request) -> str:
    return f"{request.base_url}v1"
