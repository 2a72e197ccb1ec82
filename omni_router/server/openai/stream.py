"""An answer as server-sent events, which begin when the decision is made and there is something to send."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from omni_router.events import DecisionMade, Finished, RunEvent, Token
from omni_router.server.openai.answers import answer_of, finished_answer, headers_of
from omni_router.server.openai.dialect import Writer
from omni_router.server.openai.errors import as_api_error
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.run import RunStream

KEEP_ALIVE = 15.0  # seconds without a byte: proxies hang up after 30 to 60, and an image often takes a minute

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # the second stops nginx from buffering


class EventStream(StreamingResponse):
    """A response that sends frames as they come; the run itself notices a client that disconnects, and ends them."""

    def __init__(self, frames: AsyncIterator[bytes], run: RunStream, headers: Mapping[str, str]) -> None:
        super().__init__(frames, headers={**headers, **_HEADERS}, media_type="text/event-stream")
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's)
        """Send until the run ends or is cancelled."""
        try:
            await self.stream_response(send)
        except OSError:  # some servers raise it when the client has disconnected
            pass
        finally:
            await self._run.close()


async def stream(run: RunStream, memory: DecisionMemory, writer: Writer) -> EventStream:
    """Wait until a run has something to send, so that an earlier failure still has a status, and stream it.

    Raises:
        ApiError: the run ended in an error before anything was sent.
    """
    result: dict[str, Any] = {"decision": None}
    event = await run.next()  # waits without a limit: there are no headers to send before a decision
    while isinstance(event, DecisionMade):
        result = {"decision": event.decision}  # it may not be the last: a fallback may follow
        event = await run.next(KEEP_ALIVE)
    if isinstance(event, Finished):
        result = event.state
        answer_of(result)
    return EventStream(_frames(run, memory, writer, result, event), run, headers_of(result))


async def _frames(
    run: RunStream, memory: DecisionMemory, writer: Writer, result: Mapping[str, Any], event: RunEvent | None
) -> AsyncIterator[bytes]:
    yield writer.begin(result)
    try:
        while not isinstance(event, Finished):
            if isinstance(event, Token):
                yield writer.delta(event.message)
            elif isinstance(event, DecisionMade):
                writer.change_model(event.decision["model"])
            else:
                yield writer.keep_alive()
            event = await run.next(KEEP_ALIVE)
        for frame in await asyncio.to_thread(_last, run, memory, writer, event.state):  # an image is read from disk
            yield frame
    except ClientDisconnect:
        run.request.state.failed = "the client disconnected"
    except Exception as error:  # noqa: BLE001 (reported to the client, and logged if it is the server's)
        failure = as_api_error(error)
        run.request.state.failed = failure.code
        yield writer.fail(failure)


def _last(run: RunStream, memory: DecisionMemory, writer: Writer, state: Mapping[str, Any]) -> list[bytes]:
    return list(writer.end(finished_answer(state, run.request, memory)))
