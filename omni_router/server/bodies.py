"""JSON bodies: read ahead of an app, bounded before they are parsed, and written.

A megabyte of `[],[],` becomes thirty megabytes of lists, and the event loop stands still while they are built. So a
body is checked before it is parsed, and large bodies are parsed on two threads of their own.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import orjson
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A conversation of a thousand messages with tool calls has some ten thousand values, a hundred tools as many again.
MAX_VALUES = 100_000
MAX_DEPTH = 100  # levels of nested lists and objects; a tool's schema has some ten, and Python's own limit is 1000
# In memory: ten million characters of English with an emoji, or thirty of Chinese. No model reads more than a few.
MAX_TEXT = 40_000_000

INVALID_REQUEST = -32600  # a code of JSON-RPC

_PARSED_INLINE = 64 * 1024  # bytes that are parsed in less time than it takes to hand them to a thread


class TooLarge(ValueError):  # noqa: N818 (reads well in an except)
    """A body holds more than any client needs."""


def replayed(messages: deque[Message], receive: Receive) -> Receive:
    """Return a `receive` that returns the messages that were read before, then further ones."""

    async def next_message() -> Message:
        return messages.popleft() if messages else await receive()

    return next_message


async def read_messages(receive: Receive, max_bytes: int) -> deque[Message]:
    """Read until the body ends, the client disconnects, or there are more than `max_bytes`."""
    messages: deque[Message] = deque()
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False) or size > max_bytes:
            return messages


def body_of(messages: Iterable[Message]) -> bytes:
    """Return the body, or its first part, in messages."""
    return b"".join(message.get("body", b"") for message in messages)


async def parse_json(body: bytes | bytearray) -> Any:
    """Parse a body.

    Raises:
        TooLarge: it holds too many values, too much text, or is nested too deeply.
        orjson.JSONDecodeError: it is not JSON.
    """
    if len(body) <= _PARSED_INLINE:
        return _parse(body)
    return await asyncio.get_running_loop().run_in_executor(_parsers(), _parse, body)


@cache
def _parsers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="omni-router bodies")


def _parse(body: bytes | bytearray) -> Any:
    check_values(body)
    value = orjson.loads(body)
    _check_depth_and_text(value)
    return value


def check_values(body: bytes | bytearray) -> None:
    """Count the values in JSON without parsing it.

    Raises:
        TooLarge: there are too many.
    """
    if _separators(body, 0, len(body)) <= MAX_VALUES:
        return
    # The marks may stand within strings, such as a table or a program. Without escapes, every quote delimits a string.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    at = values = strings = 0
    while values <= MAX_VALUES and strings <= 2 * MAX_VALUES:
        start = bare.find(b'"', at)
        if start < 0:
            values += _separators(bare, at, len(bare))
            break
        values += _separators(bare, at, start)
        end = bare.find(b'"', start + 1)
        if end < 0:
            break
        at, strings = end + 1, strings + 1
    if values > MAX_VALUES or strings > 2 * MAX_VALUES:
        raise TooLarge(f"it holds more than {MAX_VALUES} values")


class ShapeLimit:
    """ASGI middleware for a JSON-RPC route that parses on the event loop: it refuses bodies with too many values (413).

    The middleware around it limits the bytes of a body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless its body holds too many values."""
        if scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        messages = await read_messages(receive, self._max_bytes)
        try:
            await asyncio.get_running_loop().run_in_executor(_parsers(), check_values, body_of(messages))
        except TooLarge as error:
            refusal = {"code": INVALID_REQUEST, "message": f"The body is too large: {error}"}
            await JSONResponse({"jsonrpc": "2.0", "id": None, "error": refusal}, 413)(scope, receive, send)
        else:
            await self._app(scope, replayed(messages, receive), send)


def _separators(body: bytes | bytearray, start: int, end: int) -> int:
    """Count the marks that stand before each value but the first."""
    return sum(body.count(mark, start, end) for mark in (b",", b"[", b"{"))


def _check_depth_and_text(value: Any) -> None:
    size, level = 0, [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                size += sys.getsizeof(item)
            deeper.extend(children(item))
        if size > MAX_TEXT:
            raise TooLarge(f"its texts take more than {MAX_TEXT} bytes of memory")
        level = deeper
    if level:
        raise TooLarge(f"lists and objects are nested more than {MAX_DEPTH} deep")


def children(value: Any) -> Iterable[Any]:
    """Return the values in a list or an object; none for any other value."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def to_json(data: Any) -> bytes:
    """Return JSON: written fast, or with escapes for half a surrogate pair or a huge number in a model's answer."""
    try:
        return orjson.dumps(data)
    except orjson.JSONEncodeError:
        return json.dumps(data).encode()


class ModelJSONResponse(JSONResponse):
    """A JSON response that may hold whatever a model wrote."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return to_json(content)
