"""Check the `context` of a run or an assistant before it reaches the LangGraph server.

The server drops unknown keys, so that a misspelt one has no effect; a value that is not allowed ends the run, under
status 200. With this middleware both are a 422 that names what is allowed. Only runs of our own graph are checked.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from anyio import to_thread
from pydantic import ValidationError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_router.config.settings import Settings
from omni_router.server.bodies import body_of, read_messages, replayed
from omni_router.server.graph_access import Compiled

_PATHS = re.compile(r"(/threads/[^/]+)?/runs(/wait|/stream|/batch|/crons(/[^/]+)?)?|/assistants(/[^/]+)?")
_METHODS = frozenset({"POST", "PATCH"})
# Bytes of a body. The client is not authenticated yet, so little is kept; a larger body, such as one with an image,
# is passed on unchecked.
MAX_CHECKED = 2**20


class ContextCheck:
    """ASGI middleware that refuses a context that is not valid as `Settings`."""

    def __init__(self, app: ASGIApp, graph: Compiled, variables: Mapping[str, str]) -> None:
        self._app, self._graph, self._variables = app, graph, variables

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless its context is not valid."""
        if scope["type"] != "http" or scope["method"] not in _METHODS or not _PATHS.fullmatch(_path(scope)):
            await self._app(scope, receive, send)
            return
        messages = await read_messages(receive, MAX_CHECKED)
        problem = await self._problem(body_of(messages))
        if problem:
            await JSONResponse({"detail": problem}, 422)(scope, receive, send)
        else:
            await self._app(scope, replayed(messages, receive), send)

    async def _problem(self, body: bytes) -> str | None:
        if b'"context"' not in body:
            return None
        try:
            value = await to_thread.run_sync(orjson.loads, body)
        except orjson.JSONDecodeError:
            return None  # the server reports it, or this is the first part of a larger body
        requests = value if isinstance(value, list) else [value]
        for request in requests:
            if isinstance(request, dict) and self._is_ours(request) and (problem := context_problem(request)):
                return problem
        return None

    def _is_ours(self, request: Mapping[str, Any]) -> bool:
        graphs = graphs_of_server(self._variables)
        ours = {name for name, path in graphs.items() if _loaded(path) is self._graph}
        requested = request.get("assistant_id") or request.get("graph_id")
        return len(ours) == len(graphs) > 0 or requested in ours


def context_problem(request: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the context in the body of a request, with the values that are allowed."""
    context = request.get("context")
    if not isinstance(context, dict):
        return None  # there is none, or the server refuses it
    unknown = [name for name in context if name not in Settings.model_fields]
    if unknown:
        return f"context has no field {', '.join(map(repr, unknown))}; allowed are {', '.join(Settings.model_fields)}"
    try:
        Settings.model_validate(context)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, ("context", *first["loc"])))
        return f"{path} is {str(first['input'])[:100]!r}: {first['msg']}"
    return None


def graphs_of_server(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the graphs of langgraph.json by name, as MODULE:NAME; the server passes them on in LANGSERVE_GRAPHS."""
    try:
        graphs = orjson.loads(variables.get("LANGSERVE_GRAPHS") or "{}")
    except orjson.JSONDecodeError:
        return {}
    paths: dict[str, str] = {}
    if isinstance(graphs, dict):
        for name, graph in graphs.items():
            paths[name] = str(graph.get("path")) if isinstance(graph, dict) else str(graph)
    return paths


def _loaded(path: str) -> Any:
    """Return the object at MODULE:NAME, if that module is loaded; the path of a file finds nothing."""
    module, _, name = path.partition(":")
    return getattr(sys.modules.get(module), name, None)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))
