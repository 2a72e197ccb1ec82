"""The A2A SDK against the LangGraph server: `python a2a_client.py URL FEATURE`."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from a2a.client import ClientConfig, create_client
from a2a.helpers import get_artifact_text, get_data_parts
from a2a.types import Message, Part, Role, SendMessageRequest, TaskState
from shared import ASK_IMAGE, BAD_REQUEST, DOT, FOLLOW_UP, QUESTION


@asynccontextmanager
async def answers_of(url: str, *parts: Part, context: str = "", streaming: bool = False) -> AsyncIterator[Any]:
    """Send a message, and give what comes back."""
    message = Message(role=Role.ROLE_USER, message_id="1", context_id=context, parts=parts)
    async with httpx.AsyncClient(timeout=60) as http:
        client = await create_client(url, ClientConfig(streaming=streaming, httpx_client=http))
        yield client.send_message(SendMessageRequest(message=message))


def task_of(url: str, *parts: Part, context: str = "") -> Any:
    """Return the task of a message."""

    async def main() -> Any:
        async with answers_of(url, *parts, context=context) as answers:
            return [answer.task async for answer in answers][-1]

    return asyncio.run(main())


def chat(url: str) -> None:
    """Check an answer, and one in the same context."""
    first = task_of(url, Part(text=QUESTION))
    assert "Simulated answer" in get_artifact_text(first.artifacts[0]), first
    second = task_of(url, Part(text=FOLLOW_UP), context=first.context_id)
    assert FOLLOW_UP in get_artifact_text(second.artifacts[0]), second


def stream(url: str) -> None:
    """Check that the decision comes first, then the answer, then the end."""

    async def main() -> list[Any]:
        async with answers_of(url, Part(text=QUESTION), streaming=True) as answers:
            return [answer async for answer in answers]

    events = asyncio.run(main())
    kinds = [event.WhichOneof("payload") for event in events]
    assert kinds[0] == "task", kinds
    assert kinds.index("status_update") < kinds.index("artifact_update"), kinds
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED, events


def images(url: str) -> None:
    """Check that an image arrives."""
    task = task_of(url, Part(text=ASK_IMAGE), Part(raw=base64.b64decode(DOT), media_type="image/png"))
    assert "image/png" in get_artifact_text(task.artifacts[0]), task


def structured(url: str) -> None:
    """Check that the result of the run is data beside the text."""
    [artifact] = task_of(url, Part(text=QUESTION)).artifacts
    [data] = get_data_parts(artifact.parts)
    assert data["answer"] == get_artifact_text(artifact), data


def cancel(url: str) -> None:
    """Check that a stream may be left, and the server answers the next message."""

    async def main() -> None:
        async with answers_of(url, Part(text=QUESTION), streaming=True) as answers:
            await anext(answers)
            await answers.aclose()

    asyncio.run(main())
    chat(url)


def error(url: str) -> None:
    """Check that a failed task says why."""
    task = task_of(url, Part(text=BAD_REQUEST))
    assert task.status.state == TaskState.TASK_STATE_FAILED, task
    [data] = get_data_parts(task.status.message.parts)
    assert data["error"]["kind"] == "bad_request", data


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
