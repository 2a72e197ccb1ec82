"""The embedded router's view of one request, and the reply that it becomes."""

import json
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.conversation import ELLIPSIS
from omni_router.routers.protocol import Reply, RouteOption
from omni_router.routers.semantic.head import Head
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from torch import Tensor

REASON_CHARACTERS = 60  # characters of a text that a reason quotes: half a line of a terminal


class Judgement(NamedTuple):
    """The router's view of a request."""

    route: str
    confidence: float  # the probability that the route is right
    closest: str | None  # a text of the route that is much like the request
    second: tuple[str, float] | None  # the next route, and its probability
    vector: "Tensor"  # the embedding of the request, read with the earlier ones


def make_reply(judgement: Judgement, routes: Sequence[RouteOption]) -> Reply:
    """Write a judgement as a router's reply."""
    reason = "unlike what the routes describe"
    if judgement.closest:
        reason = f'closest to "{judgement.closest}"'
    if judgement.second:
        reason += f"; next: {judgement.second[0]} ({judgement.second[1]:.0%})"
    answer = {"route": judgement.route, "model": _first_candidate(judgement.route, routes), "reason": reason}
    return Reply(json.dumps(answer, ensure_ascii=False), round(judgement.confidence, 3))


def _first_candidate(name: str, routes: Sequence[RouteOption]) -> str | None:
    for route in routes:
        if route.name == name != OTHER and route.candidates:
            return route.candidates[0]
    return None


def closest_text(head: Head, index: int, likeness: "Tensor", learned: Container[str]) -> str | None:
    """Return the text of a route's policy that is most like the request, short enough for one line.

    Learned texts are words of users, which are not shown to others who ask something like it.
    """
    part = head.slices[index]
    for offset in likeness[part].argsort(descending=True):
        text = head.texts[part.start + int(offset)]
        if not text or text in learned:
            continue
        line = " ".join(text.split())
        if len(line) > REASON_CHARACTERS:
            line = line[: REASON_CHARACTERS - 1].rstrip() + ELLIPSIS
        return line
    return None
