"""The graph behind OpenAI's HTTP interface: chat completions, pictures, models, and the decision alone.

routes.py    the list of routes, and what guards each     bodies.py    bodies, read and checked
chat.py      POST /v1/chat/completions                    requests.py  what of them is served
images.py    POST /v1/images/generations                  messages.py  a client's messages as the graph's
decision.py  POST /v1/route                               run.py       a run of the graph, and clients that hang up
models.py    GET /v1/models, and what `model` may be      answers.py   the graph's output as a completion
guard.py     key, size of the body, how many at once      stream.py    the same in pieces
errors.py    the table from error kind to status          memory.py    which decision an answer came from
overrides.py settings of a run by header or body          to_json.py   answers as JSON
ignored.py   what of a request had no effect
"""

from typing import TYPE_CHECKING, Any

from omni_router.errors import missing_package

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from starlette.routing import Route

    from omni_router.server.openai.guard import Limits

__all__ = ["openai_routes"]


def openai_routes(graph: "CompiledStateGraph[Any, Any, Any, Any]", limits: "Limits | None" = None) -> "list[Route]":
    """Make the routes under /v1 for a compiled graph; without `limits` OMNI_API_KEY, OMNI_MAX_BODY, ... are read.

    Raises:
        ConfigurationError: a limit in the environment is not allowed, or Starlette is not installed.
    """
    try:
        from omni_router.server.openai.routes import make_routes
    except ModuleNotFoundError as error:
        raise missing_package(f"the package {error.name} is missing", "api") from error
    return make_routes(graph, limits)
