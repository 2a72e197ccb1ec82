"""Convert between the parts of A2A and the messages of the graph."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2a.helpers import get_data_parts, get_message_text, get_text_parts, new_data_part, new_raw_part, new_text_part
from a2a.types import Message, Part, Role, Task, TaskState
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from omni_router.errors import InvalidRequest
from omni_router.hints import SERVER
from omni_router.images import data_url
from omni_router.run_result import RunResult
from omni_router.selection.overrides import decision_metadata, decision_of
from omni_router.server.graph_access import remote_message
from omni_router.state import Artifact

ANSWER = "answer"  # the name, and the id, of a task's artifact
ANOTHER = "another"  # in the metadata of a message


async def user_message_of(message: Message) -> HumanMessage:
    """Build a user's message from text parts and at most one image, as bytes or by its address.

    Raises:
        InvalidRequest: there is neither, or more than one image.
        BadImage: the image is not readable.
    """
    images = list(filter(None, map(_address, message.parts)))
    if len(images) > 1:
        raise InvalidRequest(f"a message may hold one image, this one has {len(images)}")
    return await remote_message(get_message_text(message), next(iter(images), None))


def _address(part: Part) -> str | None:
    if part.HasField("url"):
        return str(part.url)
    if not part.HasField("raw"):
        return None
    return data_url(part.raw, part.media_type or "image/png")


def asks_for_another_model(message: Message) -> bool:
    """Return whether a message asks that another model answer the newest request: `"another": true` in its metadata.

    Raises:
        InvalidRequest: the value is neither true nor false.
    """
    if ANOTHER not in message.metadata:
        return False
    value = message.metadata[ANOTHER]
    if not isinstance(value, bool):
        raise InvalidRequest(f"`{ANOTHER}` in the metadata of a message must be true or false, not {value!r}")
    return value


async def turns_of(tasks: Sequence[Task]) -> list[AnyMessage]:
    """Return a conversation from its earlier tasks, oldest first, without those that have no answer.

    An answer has the decision behind it, so that the conversation goes on with its model. The answer of another model
    takes the place of the one that it replaces.
    """
    messages: list[AnyMessage] = []
    for task in tasks:
        if task.status.state != TaskState.TASK_STATE_COMPLETED:
            continue
        answer = _answer_of(task)
        requests = [message for message in task.history if message.role == Role.ROLE_USER]
        if messages and any(map(asks_for_another_model, requests)):
            replaced = decision_of(messages.pop())
            if replaced and "decision" in answer.response_metadata:
                answer.response_metadata["decision"]["instead_of"] = [*replaced.instead_of, replaced.model]
        else:
            messages += [await user_message_of(message) for message in requests]
        messages.append(answer)
    return messages


def _answer_of(task: Task) -> AIMessage:
    """Return the answer of a task, with the decision that its data part holds."""
    texts: list[str] = []
    metadata: dict[str, Any] = {}
    for artifact in task.artifacts:
        if artifact.name == ANSWER:
            texts += get_text_parts(artifact.parts)
            for result in get_data_parts(artifact.parts):
                with suppress(LookupError, TypeError):  # an older version has stored another form
                    metadata["decision"] = decision_metadata(result)
    return AIMessage("\n".join(texts), response_metadata=metadata)


def answer_parts(text: str, result: RunResult) -> list[Part]:
    """Return the answer as a text part, the result as a data part, and each file as a part of its type."""
    return [
        new_text_part(text, media_type="text/plain"),
        new_data_part(result.redact_paths().for_audience(SERVER).as_json(), media_type="application/json"),
        *map(_file_part, result.artifacts),
    ]


def _file_part(artifact: Artifact) -> Part:
    path = Path(artifact["path"])
    return new_raw_part(path.read_bytes(), media_type=artifact["mime_type"], filename=path.name)
