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
FAULTS = 10  # broken lines that are told; of one mistake there are often hundreds


class _LineError(ValueError):
    """What is wrong with a line; where it stands is added to it."""


class _UnknownRouteError(_LineError):
    """A route that the policy does not have; which ones it has is told once, however many lines are wrong in it."""


@dataclass(frozen=True)
class Message:
    """A message of a line, in the form that `render_conversation` reads."""

    type: str
    content: Any  # text, or a list of content blocks


@dataclass(frozen=True)
class Item:
    """One request, and the route it should take."""

    line: int
    id: str  # of what is asked: the same in every run on the same data
    route: str
    conversation: tuple[Turn, ...]
    text: str  # of the newest request, to be shown
    picture_now: bool
    picture_before: bool  # also taken for granted where the route asks for one and the line has none
    has_picture: bool

    @property
    def follow_up(self) -> bool:
        """Tell whether the user has spoken before."""
        return sum(turn["role"] == "user" for turn in self.conversation) > 1


def read_items(path: Path, routes: Sequence[Route], limit: int | None = None) -> list[Item]:
    """Read a file of requests; of more than `limit` that many are taken, evenly spread over the file.

    Raises:
        ConfigurationError: the file cannot be read, is empty, or lines of it are not what they should be.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # other line breaks may stand inside of a JSON string
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"cannot be read: {error}") from error
    known = {route.name.casefold(): route for route in routes}
    items, faults = _read(lines, known)
    if faults:
        raise ConfigurationError(_told(path, faults, known))
    if not items:
        raise _wrong(path, 'the file is empty; it needs lines such as {"text": "...", "route": "..."}')
    if limit is None or limit >= len(items):
        return items
    return [items[number * len(items) // limit] for number in range(limit)]


def _wrong(path: Path, fault: str) -> ConfigurationError:
    return ConfigurationError(f"{path}: {fault}")


def _read(lines: Sequence[str], known: Mapping[str, Route]) -> tuple[list[Item], dict[int, Exception]]:
    """Read all lines, and give what is wrong with the broken ones, by their numbers."""
    items: list[Item] = []
    faults: dict[int, Exception] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                items.append(_item(json.loads(line), number, known))
            except (RecursionError, ValueError) as error:  # what is wrong is said by whoever found it
                faults[number] = error
    return items, faults


def _told(path: Path, faults: Mapping[int, Exception], known: Mapping[str, Route]) -> str:
    """Tell each of the first broken lines with its fault, in the form in which an editor finds the place."""
    shown = list(faults.items())[:FAULTS]
    told = [f"{path}:{number}: {_fault(error)}" for number, error in shown]
    if len(faults) > len(shown):
        told.append(f"and {len(faults) - len(shown)} more")
    if any(isinstance(error, _UnknownRouteError) for error in faults.values()):
        told.append(f"the routes are {', '.join(route.name for route in known.values())}, and {OTHER}")
    return "\n".join(told)


def _fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} (column {error.colno})"
    return str(error)


def _item(given: Any, line: int, known: Mapping[str, Route]) -> Item:
    if not isinstance(given, dict):
        raise _LineError('not an object such as {"text": "...", "route": "..."}')
    name, takes_images = _route(given.get("route"), known)
    messages = _with_picture(_messages(given), given.get("image"))
    now, anywhere = has_image(messages[-1]), any(has_image(message) for message in messages)
    text, turns = newest_user_text(messages), render_conversation(messages)
    if not (text or now):
        raise _LineError("the newest message has neither text nor an image")
    asked = json.dumps([turns, now, anywhere], sort_keys=True)
    return Item(
        line=line,
        id=hashlib.sha256(asked.encode()).hexdigest()[:16],
        route=name,
        conversation=tuple(turns),
        text=text,
        picture_now=now,
        # Without any picture the route could not be on offer; with one further up it competes with all others.
        picture_before=anywhere or takes_images,
        has_picture=anywhere,
    )


def _route(given: Any, known: Mapping[str, Route]) -> tuple[str, bool]:
    """Give the name of the right route as the policy spells it, and whether it takes pictures."""
    if not isinstance(given, str) or not given.strip():
        raise _LineError('it has no "route"')
    if given.strip().casefold() == OTHER:
        return OTHER, False
    route = known.get(given.strip().casefold())
    if route is None:
        raise _UnknownRouteError(f"route {given!r} is not in the policy")
    return route.name, TASKS[route.task].takes_images


def _messages(given: Mapping[str, Any]) -> list[Message]:
    text, messages = given.get("text"), given.get("messages")
    if (text is None) == (messages is None):
        raise _LineError('it needs either "text" or "messages"')
    if text is not None:
        return [_message({"role": "user", "content": text})]
    if not isinstance(messages, list) or not messages:
        raise _LineError('"messages" must be a non-empty list of {"role", "content"}')
    read = [_message(message) for message in messages]
    if read[-1].type != ROLES["user"]:
        raise _LineError("the last message is not the user's, so there is nothing to route")
    return read


def _message(given: Any) -> Message:
    role, content = (given.get("role"), given.get("content")) if isinstance(given, dict) else (None, None)
    if role not in ROLES:
        raise _LineError(f"the role of a message must be one of {', '.join(ROLES)}, not {role!r}")
    if not isinstance(content, str | list):
        raise _LineError("the content of a message must be text or a list of content blocks")
    return Message(ROLES[role], content)


def _with_picture(messages: list[Message], image: Any) -> list[Message]:
    """Attach a picture to the newest message; what it shows is not looked at, no router sees it."""
    if image in (None, False):
        return messages
    if image is not True and not (isinstance(image, str) and image.strip()):
        raise _LineError('"image" must be true or the address of an image')
    newest = messages[-1].content
    blocks = newest if isinstance(newest, list) else [{"type": "text", "text": newest}]
    return [*messages[:-1], Message(messages[-1].type, [*blocks, {"type": "image_url"}])]
