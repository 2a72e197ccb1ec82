"""A2A for the soak test, asked with the client of the protocol's own SDK."""

from contextlib import aclosing
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.soak.answers import Ask, Events, Summary, WrongShapeError
from benchmarks.soak.questions import Question
from tests.support.pictures import DOT


async def ask_a2a(url: str, http: httpx.AsyncClient) -> Ask:
    """Return how the agent of a server is asked."""
    from a2a.client import ClientConfig, create_client
    from a2a.types import Message, Part, Role, SendMessageRequest

    clients = [await create_client(url, ClientConfig(streaming=s, httpx_client=http)) for s in (False, True)]

    async def ask(question: Question) -> Events:
        parts = [Part(text=question.text), *([Part(url=DOT)] if question.picture else [])]
        message = Message(role=Role.ROLE_USER, message_id=uuid4().hex, parts=parts)
        answers: Any = clients[question.stream].send_message(SendMessageRequest(message=message))
        ends: list[Summary] = []
        async with aclosing(answers):
            async for answer in answers:
                ends += _a2a_summaries(answer)
                yield None
        if not ends:
            raise WrongShapeError(f"the task ended without a summary: {answer}")
        yield ends[-1]

    return ask


def _a2a_summaries(answer: Any) -> list[Summary]:
    """Find the summary of a run, with its answer, where an answer of the agent holds it."""
    from a2a.helpers import get_data_parts, get_text_parts

    kind = answer.WhichOneof("payload")
    if kind == "task":
        found = [*(each.parts for each in answer.task.artifacts), answer.task.status.message.parts]
    else:
        found = [answer.artifact_update.artifact.parts, answer.status_update.status.message.parts]
    return [
        {**data, "answer": "\n".join(get_text_parts(parts))}
        for parts in found
        for data in get_data_parts(parts)
        if isinstance(data, dict) and "attempts" in data
    ]
