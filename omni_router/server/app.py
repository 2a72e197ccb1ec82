"""The app that `http.app` of langgraph.json mounts into the LangGraph server, beside its own routes."""

import logging
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from omni_router.errors import missing_package
from omni_router.graph import graph as default_graph
from omni_router.server.allowed_hosts import HostGuard
from omni_router.server.context_check import ContextCheck
from omni_router.server.graph_access import Compiled
from omni_router.server.health import health_routes, readiness_of
from omni_router.server.langgraph_config import hosts_of_server, key_notice
from omni_router.server.metrics import metrics_routes
from omni_router.server.openai.guard import Limits
from omni_router.server.v1 import make_routes

logger = logging.getLogger("omni_router")

REMEDY = "name them under http.cors in langgraph.json"


def make_app(
    graph: Compiled = default_graph, *, cors: Collection[str] = (), variables: Mapping[str, str] = os.environ
) -> Starlette:
    """Return the app of a compiled graph, such as one with services of its own.

    Its middleware holds for the LangGraph server's own routes too. `cors` names origins, such as https://chat.example,
    whose pages may call it, in addition to those under `http.cors` in langgraph.json.

    Raises:
        ConfigurationError: a package is missing, or a variable has a value that is not allowed.
    """
    try:
        from omni_router.server.a2a.server import a2a_routes
        from omni_router.server.mcp import mcp_app
    except ImportError as error:
        raise missing_package(f"the server needs more packages ({error.name} is missing)", "server") from error
    mcp = mcp_app(graph)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if notice := key_notice(variables):
            logger.warning(notice)
        readiness_of(graph).start()
        async with mcp.router.lifespan_context(mcp):
            yield

    return Starlette(
        routes=[
            *health_routes(graph),
            *metrics_routes(),
            *make_routes(graph, Limits.read(variables)),
            *mcp.routes,
            *a2a_routes(graph),
        ],
        middleware=[
            Middleware(HostGuard, allowed=hosts_of_server(variables, cors), remedy=REMEDY),
            Middleware(ContextCheck, graph=graph, variables=variables),
        ],
        lifespan=lifespan,
    )


app = make_app()
