"""Between A2A's parts and messages of the graph."""

from collections.abc import Sequence
from pathlib import Path

from a2a.helpers import get_message_text, get_text_parts, new_data_part, new_raw_part, new_text_part
from a2a.types import Message, Part, Role, Task, TaskState
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from omni_router.artifacts import Artifact
from omni_router.errors import InvalidRequest
from omni_router.events import Summary, for_the_network
from omni_router.images import data_url
from omni_router.server.graph_access import remote_message

ANSWER = "answer"  # the name, and the id, of a task's artifact


async def user_message_of(message: Message) -> HumanMessage:
    """Build a user's message from text parts and at most one image, as bytes or by its address.

    Raises:
        InvalidRequest: there is neither, or more than one image.
        BadImage: the image is not readable.
    """
    addresses = [address for part in message.parts if (address := _address(part))]
    if len(addresses) > 1:
        raise InvalidRequest(f"a message may hold one image, this one has {len(addresses)}")
    return await remote_message(get_message_text(message), addresses[0] if addresses else None)


def _address(part: Part) -> str | None:
    if part.HasField("url"):
        return str(part.url)
    if not part.HasField("raw"):
        return None
    return data_url(part.raw, part.media_type or "image/png")


async def turns_of(tasks: Sequence[Task]) -> list[AnyMessage]:
    """Read a conversation out of its earlier tasks, oldest first; those without an answer are left out."""
    messages: list[AnyMessage] = []
    for task in tasks:
        if task.status.state != TaskState.TASK_STATE_COMPLETED:
            continue
        answer = "\n".join(text for a in task.artifacts if a.name == ANSWER for text in get_text_parts(a.parts))
        messages += [await user_message_of(each) for each in task.history if each.role == Role.ROLE_USER]
        messages.append(AIMessage(answer))
    return messages


def answer_parts(text: str, summary: Summary) -> list[Part]:
    """Return the answer as a text part, the summary as a data part, and each file as a part of its type."""
    return [
        new_text_part(text, media_type="text/plain"),
        new_data_part(for_the_network(summary), media_type="application/json"),
        *map(_file_part, summary["artifacts"]),
    ]


def _file_part(artifact: Artifact) -> Part:
    path = Path(artifact["path"])
    return new_raw_part(path.read_bytes(), media_type=artifact["mime_type"], filename=path.name)
