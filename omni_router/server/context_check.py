"""The `context` of a run or an assistant, checked before the LangGraph server takes it.

The server drops the keys that it does not know, so that a misspelt one has no effect; a value that is not allowed
ends the run, under status 200. Here both are a 422 that says what is allowed. It is told of our own graph alone.
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
from omni_router.server.graph_access import Compiled
from omni_router.server.replay import read_messages, replayed

_PATHS = re.compile(r"(/threads/[^/]+)?/runs(/wait|/stream|/batch|/crons(/[^/]+)?)?|/assistants(/[^/]+)?")
_METHODS = frozenset({"POST", "PATCH"})
# Bytes of a body. This is before the server asks who it is, so little is kept; a larger one, as with a picture in it,
# goes on to the server unchecked.
CHECKED = 2**20


class ContextCheck:
    """ASGI middleware that refuses a context which is not one of `Settings`."""

    def __init__(self, app: ASGIApp, graph: Compiled, variables: Mapping[str, str]) -> None:
        self._app, self._graph, self._variables = app, graph, variables

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it brings such a context."""
        if scope["type"] != "http" or scope["method"] not in _METHODS or not _PATHS.fullmatch(_path(scope)):
            await self._app(scope, receive, send)
            return
        messages = await read_messages(receive, CHECKED)
        wrong = await self._wrong(b"".join(message.get("body", b"") for message in messages))
        if wrong:
            await JSONResponse({"detail": wrong}, 422)(scope, receive, send)
        else:
            await self._app(scope, replayed(messages, receive), send)

    async def _wrong(self, body: bytes) -> str | None:
        if b'"context"' not in body:
            return None
        try:
            value = await to_thread.run_sync(orjson.loads, body)
        except orjson.JSONDecodeError:
            return None  # the server says so, or it is the first part of a larger one
        for request in value if isinstance(value, list) else [value]:
            if isinstance(request, dict) and self._is_ours(request) and (wrong := wrong_context(request)):
                return wrong
        return None

    def _is_ours(self, request: Mapping[str, Any]) -> bool:
        known = graphs_of_server(self._variables)
        ours = {name for name, place in known.items() if _loaded(place) is self._graph}
        asked = request.get("assistant_id") or request.get("graph_id")
        return len(ours) == len(known) > 0 or asked in ours


def wrong_context(request: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the context in the body of a request, with what is allowed."""
    context = request.get("context")
    if not isinstance(context, dict):
        return None  # absent, or the server refuses it
    unknown = [name for name in context if name not in Settings.model_fields]
    if unknown:
        return f"context has no {', '.join(map(repr, unknown))}; allowed are {', '.join(Settings.model_fields)}"
    try:
        Settings.model_validate(context)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("context", *first["loc"]))
        return f"{place} is {str(first['input'])[:100]!r}: {first['msg']}"
    return None


def graphs_of_server(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the graphs of langgraph.json by name, as MODULE:NAME; the server hands them on in LANGSERVE_GRAPHS."""
    try:
        found = orjson.loads(variables.get("LANGSERVE_GRAPHS") or "{}")
    except orjson.JSONDecodeError:
        return {}
    graphs = found if isinstance(found, dict) else {}
    return {name: str(place.get("path") if isinstance(place, dict) else place) for name, place in graphs.items()}


def _loaded(place: str) -> Any:
    """Return the object at MODULE:NAME, if that module is loaded; a file is not looked for."""
    module, _, name = place.partition(":")
    return getattr(sys.modules.get(module), name, None)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))
