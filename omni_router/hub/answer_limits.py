"""Limit how much an answer of the Hub or of a provider may hold: a longer answer is not a valid one."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omni_router.hub.http import httpx

MB = 2**20


@dataclass(frozen=True)
class AnswerLimit:
    """The most that an answer may hold, unpacked."""

    body: int  # bytes of a plain body, or of one line of a stream
    stream: int = 0  # bytes of a stream of events
    events: int = 0


LISTING = AnswerLimit(16 * MB)  # the router's list of chat models has less than one
CAPTION = AnswerLimit(MB)
# As base64 in JSON. An image of 4096 x 4096 pixels has 20 to 35 MB as PNG, and up to 47 as base64.
IMAGE = AnswerLimit(64 * MB)

# Vectors as JSON: 512 texts of 4096 numbers, each of some 20 characters, have 42 MB.
EMBEDDINGS = AnswerLimit(64 * MB)

_CHAT_BODY = 8 * MB  # 128,000 tokens, the most that a model writes at once, are half a megabyte of text
_CHAT_STREAM = 24 * MB  # one event of 300 to 500 bytes per token
_CHAT_EVENTS = 45_000  # each takes 2.5 KB until the answer is whole, one of a tool call 4: 180 MB at most
MAX_ANSWER_TOKENS = 40_000  # for models that reason, if no limit is set: less than the events at which it is broken off
_EVENTS_A_TOKEN = 4  # some servers send letter by letter
_MORE_EVENTS = 4096  # for thinking that is not counted as an answer

_UNPACKED = 64 * 1024  # bytes at once: a KB may unpack to a MB


def chat_limit(max_new_tokens: int | None) -> AnswerLimit:
    """Return the limit of a chat answer of at most so many tokens; None for as many as the model writes."""
    if max_new_tokens is None:
        return AnswerLimit(_CHAT_BODY, _CHAT_STREAM, _CHAT_EVENTS)
    events = _MORE_EVENTS + _EVENTS_A_TOKEN * max_new_tokens
    return AnswerLimit(_CHAT_BODY, _CHAT_STREAM, min(events, _CHAT_EVENTS))


class AnswerTooLong(httpx.DecodingError):
    """An answer holds more than its limit."""


class Meter:
    """Counts an answer as it arrives."""

    def __init__(self, limit: AnswerLimit, *, is_stream: bool) -> None:
        self._limit = limit
        self._max_bytes = limit.stream if is_stream and limit.stream else limit.body
        self._counts_events = is_stream and bool(limit.events)
        self._bytes = self._line = self._events = 0

    def count(self, chunk: bytes) -> None:
        """Count one chunk.

        Raises:
            AnswerTooLong: it exceeds the limit.
        """
        self._bytes += len(chunk)
        newline = chunk.rfind(b"\n")
        if newline >= 0:
            self._line = 0
        self._line += len(chunk) - newline - 1
        if self._bytes > self._max_bytes or self._line > self._limit.body:
            raise AnswerTooLong(f"the answer has more than {min(self._max_bytes, self._bytes)} bytes")
        if not self._counts_events:
            return
        self._events += chunk.count(b"data:")
        if self._events > self._limit.events:
            raise AnswerTooLong(f"the answer has more than {self._limit.events} events")


def unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip in chunks that are never much larger than they arrived.

    Raises:
        httpx.DecodingError: it is not gzip.
    """
    reader = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield reader.decompress(rest, _UNPACKED)
                rest = reader.unconsumed_tail
        yield reader.flush()
    except zlib.error as error:
        raise httpx.DecodingError("the answer is not gzip, although its header says so") from error
