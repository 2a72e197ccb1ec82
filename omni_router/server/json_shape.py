"""JSON from outside, read so that no body holds up the event loop or takes many times its size in memory.

A megabyte of `[],[],` becomes thirty megabytes of lists, and nothing else runs for as long as it takes to make them.
So a body is looked at before it is parsed, and large ones are parsed by threads of their own, two at once.
"""

import asyncio
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import orjson
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_router.server.replay import read_messages, replayed

# A conversation of a thousand messages with tool calls has some ten thousand values, a hundred tools as many again.
MOST_VALUES = 100_000
DEEPEST = 100  # lists and objects within each other; a tool's schema has some ten, and Python's own limit is 1000
# In memory: ten million characters of English with an emoji, or thirty of Chinese. No model reads more than a few.
MOST_TEXT = 40_000_000

INVALID_REQUEST = -32600  # of JSON-RPC

_AT_ONCE = 64 * 1024  # bytes that are parsed in less time than it takes to hand them to a thread


class TooLarge(ValueError):  # noqa: N818 (says what is the case)
    """A body holds more than anybody sends."""


async def parse_json(body: bytes | bytearray) -> Any:
    """Parse a body.

    Raises:
        TooLarge: it holds too many values, too much text, or is nested too deeply.
        orjson.JSONDecodeError: it is not JSON.
    """
    if len(body) <= _AT_ONCE:
        return _parse(body)
    return await asyncio.get_running_loop().run_in_executor(_parsers(), _parse, body)


@cache
def _parsers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="omni-router bodies")


def _parse(body: bytes | bytearray) -> Any:
    check_values(body)
    found = orjson.loads(body)
    _check_depth_and_text(found)
    return found


def check_values(body: bytes | bytearray) -> None:
    """Count the values in JSON without parsing it.

    Raises:
        TooLarge: there are too many.
    """
    if _marks(body, 0, len(body)) <= MOST_VALUES:
        return
    # Perhaps they stand within texts, such as a table or a program. Without what is escaped every quote is a real one.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    at = values = texts = 0
    while values <= MOST_VALUES and texts <= 2 * MOST_VALUES:
        start = bare.find(b'"', at)
        values += _marks(bare, at, len(bare) if start < 0 else start)
        end = bare.find(b'"', start + 1) if start >= 0 else -1
        if end < 0:
            break
        at, texts = end + 1, texts + 1
    if values > MOST_VALUES or texts > 2 * MOST_VALUES:
        raise TooLarge(f"it holds more than {MOST_VALUES} values")


class ShapeLimit:
    """ASGI middleware for a JSON-RPC route whose own parser runs on the event loop: it refuses too many values (413).

    What stands around it limits the bytes of a body.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless its body holds more than anybody sends."""
        messages = await read_messages(receive, self._most_bytes) if scope.get("method") == "POST" else deque[Message]()
        body = b"".join(message.get("body", b"") for message in messages)
        try:
            await asyncio.get_running_loop().run_in_executor(_parsers(), check_values, body)
        except TooLarge as error:
            refusal = {"code": INVALID_REQUEST, "message": f"The body is too large: {error}"}
            await JSONResponse({"jsonrpc": "2.0", "id": None, "error": refusal}, 413)(scope, receive, send)
        else:
            await self._app(scope, replayed(messages, receive), send)


def _marks(body: bytes | bytearray, start: int, end: int) -> int:
    """Count what each value but the first has before it."""
    return sum(body.count(mark, start, end) for mark in (b",", b"[", b"{"))


def _check_depth_and_text(found: Any) -> None:
    text, level = 0, [found]
    for _ in range(DEEPEST):
        text += sum(sys.getsizeof(value) for value in level if isinstance(value, str))
        if text > MOST_TEXT:
            raise TooLarge(f"its texts take more than {MOST_TEXT} bytes of memory")
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise TooLarge(f"lists and objects are nested more than {DEEPEST} deep")


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
