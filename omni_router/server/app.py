"""What `http.app` of langgraph.json mounts into the LangGraph server, beside its own routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from omni_router.errors import missing_package
from omni_router.graph import graph as default_graph
from omni_router.observe.routes import metrics_routes
from omni_router.server.call import Compiled
from omni_router.server.health import health_routes, readiness_of
from omni_router.server.openai_api import openai_routes


def make_app(graph: Compiled = default_graph) -> Starlette:
    """Make an app of a compiled graph, such as one with services of its own.

    Raises:
        ConfigurationError: a package is missing.
    """
    try:
        from omni_router.server.a2a_server import a2a_routes
        from omni_router.server.hosts import transport_security
        from omni_router.server.mcp_server import mcp_app
    except ImportError as error:
        raise missing_package(f"the server needs more packages ({error.name} is missing)", "server") from error
    mcp = mcp_app(graph, transport_security())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        readiness_of(graph).start()
        async with mcp.router.lifespan_context(mcp):
            yield

    return Starlette(
        routes=[
            *health_routes(graph),
            *metrics_routes(),
            *openai_routes(graph),
            *mcp.routes,
            *a2a_routes(graph),
        ],
        lifespan=lifespan,
    )


app = make_app()
