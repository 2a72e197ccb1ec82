"""Convert between the parts of A2A and the messages of the graph."""

from collections.abc import Sequence
from pathlib import Path

from a2a.helpers import get_message_text, get_text_parts, new_data_part, new_raw_part, new_text_part
from a2a.types import Message, Part, Role, Task, TaskState
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from omni_router.errors import InvalidRequest
from omni_router.hints import SERVER
from omni_router.images import data_url
from omni_router.run_result import RunResult
from omni_router.server.graph_access import remote_message
from omni_router.state import Artifact

ANSWER = "answer"  # the name, and the id, of a task's artifact


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


async def turns_of(tasks: Sequence[Task]) -> list[AnyMessage]:
    """Return a conversation from its earlier tasks, oldest first, without those that have no answer."""
    messages: list[AnyMessage] = []
    for task in tasks:
        if task.status.state != TaskState.TASK_STATE_COMPLETED:
            continue
        messages += [await user_message_of(message) for message in task.history if message.role == Role.ROLE_USER]
        texts: list[str] = []
        for artifact in task.artifacts:
            if artifact.name == ANSWER:
                texts += get_text_parts(artifact.parts)
        messages.append(AIMessage("\n".join(texts)))
    return messages


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
