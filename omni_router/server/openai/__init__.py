"""The graph behind OpenAI's HTTP interface: chat completions, images, models, and the decision alone.

routes.py    the list of routes, and their middleware     bodies.py    bodies, read and checked; ignored parameters
chat.py      POST /v1/chat/completions and /v1/route      requests.py  the parameters that are served
images.py    POST /v1/images/generations                  messages.py  a client's messages as those of the graph
models.py    GET /v1/models, and values of `model`        run.py       a run of the graph, and clients that disconnect
guard.py     key, size of the body, how many at once      answers.py   the result of a run as a completion
errors.py    the table from error kind to status          stream.py    the same as server-sent events
overrides.py settings of a run by header or body          memory.py    the decisions behind answers
decisions.py POST /v1/decisions, choices in words
"""

from typing import TYPE_CHECKING, Any

from omni_router.errors import missing_package

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from starlette.routing import Route

    from omni_router.server.openai.guard import Limits

__all__ = ["openai_routes"]


def openai_routes(graph: "CompiledStateGraph[Any, Any, Any, Any]", limits: "Limits | None" = None) -> "list[Route]":
    """Return the routes under /v1 for a compiled graph; without `limits` OMNI_API_KEY, OMNI_MAX_BODY, ... are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed, or Starlette is not installed.
    """
    try:
        from omni_router.server.openai.api import make_routes
    except ModuleNotFoundError as error:
        raise missing_package(f"the package {error.name} is missing", "api") from error
    return make_routes(graph, limits)
