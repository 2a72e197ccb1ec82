"""The requests to evaluate on: a file of JSON lines, each with a request and the route it should take."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_router.config.routes import Route
from omni_router.errors import ConfigurationError
from omni_router.messages import has_image, newest_user_text
from omni_router.routers import OTHER, Turn
from omni_router.routers.conversation import render_conversation
from omni_router.tasks import TASKS

ROLES = {"user": "human", "assistant": "ai", "system": "system"}
SHOWN_FAULTS = 10  # broken lines that the error lists; one mistake often breaks hundreds


class _LineError(ValueError):
    """A line is wrong; the caller adds the place."""


class _UnknownRouteError(_LineError):
    """A line names a route that the policy does not have; the error lists the routes once for all such lines."""


@dataclass(frozen=True)
class Message:
    """A message of a line, in the form that `render_conversation` reads."""

    type: str
    content: Any  # text, or a list of content blocks


@dataclass(frozen=True)
class Item:
    """One request, and the route it should take."""

    line: int
    id: str  # a hash of the request: the same in every run on the same data
    route: str
    conversation: tuple[Turn, ...]
    text: str  # the text of the newest request, to be shown
    image_now: bool
    image_before: bool  # also assumed if the route takes images and the line has none
    has_image: bool

    @property
    def follow_up(self) -> bool:
        """Check whether the user has spoken before."""
        user_turns = 0
        for turn in self.conversation:
            user_turns += turn["role"] == "user"
        return user_turns > 1


def read_items(path: Path, routes: Sequence[Route], limit: int | None = None) -> list[Item]:
    """Read a file of requests; if it has more than `limit`, that many are used, evenly spread over the file.

    Raises:
        ConfigurationError: the file cannot be read, is empty, or has invalid lines.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # other line breaks may be part of a JSON string
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    known = {route.name.casefold(): route for route in routes}
    items, faults = _parse_lines(lines, known)
    if faults:
        raise ConfigurationError(_describe(path, faults, known))
    if not items:
        raise ConfigurationError(f'{path}: the file is empty; it needs lines such as {{"text": "...", "route": "..."}}')
    if limit is None or limit >= len(items):
        return items
    return [items[number * len(items) // limit] for number in range(limit)]


def _parse_lines(lines: Sequence[str], known: Mapping[str, Route]) -> tuple[list[Item], dict[int, Exception]]:
    """Parse all lines, and return the errors of the broken ones by their numbers."""
    items: list[Item] = []
    faults: dict[int, Exception] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                items.append(_item(json.loads(line), number, known))
            except (RecursionError, ValueError) as error:
                faults[number] = error
    return items, faults


def _describe(path: Path, faults: Mapping[int, Exception], known: Mapping[str, Route]) -> str:
    """Describe the first broken lines, in the form in which an editor finds the place."""
    lines: list[str] = []
    names_unknown_route = False
    for number, error in faults.items():
        if len(lines) < SHOWN_FAULTS:
            lines.append(f"{path}:{number}: {_fault(error)}")
        names_unknown_route |= isinstance(error, _UnknownRouteError)
    if len(faults) > len(lines):
        lines.append(f"and {len(faults) - len(lines)} more")
    if names_unknown_route:
        names = ", ".join(route.name for route in known.values())
        lines.append(f"the routes are {names}, and {OTHER}")
    return "\n".join(lines)


def _fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} (column {error.colno})"
    return str(error)


def _item(entry: Any, line: int, known: Mapping[str, Route]) -> Item:
    if not isinstance(entry, dict):
        raise _LineError('not an object such as {"text": "...", "route": "..."}')
    name, takes_images = _route(entry.get("route"), known)
    messages = _attach_image(_messages(entry), entry.get("image"))
    image_now = has_image(messages[-1])
    image_anywhere = any(map(has_image, messages))
    text, turns = newest_user_text(messages), render_conversation(messages)
    if not text and not image_now:
        raise _LineError("the newest message has neither text nor an image")
    return Item(
        line=line,
        id=_hash([turns, image_now, image_anywhere]),
        route=name,
        conversation=tuple(turns),
        text=text,
        image_now=image_now,
        # Without any image the route could not be offered; with one further up it competes with all others.
        image_before=image_anywhere or takes_images,
        has_image=image_anywhere,
    )


def _hash(request: Any) -> str:
    text = json.dumps(request, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _route(name: Any, known: Mapping[str, Route]) -> tuple[str, bool]:
    """Return the name of the right route as the policy spells it, and whether it takes images."""
    if not isinstance(name, str) or not name.strip():
        raise _LineError('it has no "route"')
    if name.strip().casefold() == OTHER:
        return OTHER, False
    route = known.get(name.strip().casefold())
    if route is None:
        raise _UnknownRouteError(f"route {name!r} is not in the policy")
    return route.name, TASKS[route.task].takes_images


def _messages(entry: Mapping[str, Any]) -> list[Message]:
    text, messages = entry.get("text"), entry.get("messages")
    if (text is None) == (messages is None):
        raise _LineError('it needs either "text" or "messages"')
    if text is not None:
        return [_message({"role": "user", "content": text})]
    if not isinstance(messages, list) or not messages:
        raise _LineError('"messages" must be a non-empty list of {"role", "content"}')
    conversation = list(map(_message, messages))
    if conversation[-1].type != ROLES["user"]:
        raise _LineError("the last message is not the user's, so there is nothing to route")
    return conversation


def _message(entry: Any) -> Message:
    if not isinstance(entry, dict):
        entry = {}
    role, content = entry.get("role"), entry.get("content")
    if role not in ROLES:
        raise _LineError(f"the role of a message must be one of {', '.join(ROLES)}, not {role!r}")
    if not isinstance(content, str | list):
        raise _LineError("the content of a message must be text or a list of content blocks")
    return Message(ROLES[role], content)


def _attach_image(messages: list[Message], image: Any) -> list[Message]:
    """Attach an image to the newest message; its content does not matter, since routers do not see it."""
    if image in (None, False):
        return messages
    is_address = isinstance(image, str) and image.strip()
    if image is not True and not is_address:
        raise _LineError('"image" must be true or the address of an image')
    *earlier, newest = messages
    blocks = newest.content
    if not isinstance(blocks, list):
        blocks = [{"type": "text", "text": blocks}]
    return [*earlier, Message(newest.type, [*blocks, {"type": "image_url"}])]
