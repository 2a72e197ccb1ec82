"""What ASGI middleware needs to look at a body before the app that it belongs to."""

from collections import deque

from starlette.types import Message, Receive


def replayed(messages: deque[Message], receive: Receive) -> Receive:
    """Return a `receive` that gives what was read before, then what comes."""

    async def next_message() -> Message:
        return messages.popleft() if messages else await receive()

    return next_message


async def read_messages(receive: Receive, most: int) -> deque[Message]:
    """Read until the body ends, the client hangs up, or there are more than `most` bytes."""
    messages: deque[Message] = deque()
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False) or size > most:
            return messages
