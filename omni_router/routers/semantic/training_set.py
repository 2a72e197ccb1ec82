"""What the embedded router knows of each route: phrases, examples, lessons, and beside them what no route serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omni_router.routers.protocol import RouteOption
from omni_router.routers.semantic.head import Column
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from torch import Tensor

MOST = 3000  # texts a head is fitted on, in about two seconds: beyond, the oldest of the fullest routes are left out
OTHERS_TO_ONE = 2  # counterexamples to a route's examples: a route of few would be lost among them
NONSENSE = (
    "qwe rty uio|zxcvbnm,./|sdfg hjk|fghfgh|wertz ghjk bnm|mnbvc lkjh|tyui 7823 ghj|xx|b|zzzz zzz|hhhhhhhhh|?!|-----|"
    "0000|@@ ## $$|gnarf wibble zorp|ijklmn opq|vbn vbn vbn|asd|ooo eee aaa"
)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What was learnt elsewhere, by the name of the route."""

    vectors: Mapping[str, "Tensor"] = field(default_factory=dict)  # of requests, (requests, dimensions)
    weights: Mapping[str, "Tensor"] = field(default_factory=dict)  # of each: 1 for a fresh one, less for an old one


NO_LESSONS = Lessons()


def columns_of(routes: Sequence[RouteOption], lessons: Lessons) -> list[Column]:
    """Gather what is known of each route, `other` last, within the bound."""

    def column(name: str, phrases: Sequence[str], examples: Sequence[str]) -> Column:
        return Column(phrases, examples, lessons.vectors.get(name), lessons.weights.get(name))

    served = [route for route in routes if route.name != OTHER]
    columns = [column(route.name, _phrases(route), route.examples) for route in served]
    nonsense, others = NONSENSE.split("|"), _others(routes, columns)
    if all(map(has_requests, columns)):
        columns.append(column(OTHER, (), (*nonsense, *others)))
    else:  # phrases are no more like requests than nonsense is: it may stand beside them, but take no request
        columns.append(column(OTHER, () if others else nonsense, others))
    sizes = [len(column.examples) + (0 if column.lessons is None else len(column.lessons)) for column in columns]
    most = _fair(sizes, MOST - sum(len(column.phrases) for column in columns))
    return [_newest(column, most) for column in columns]


def has_requests(column: Column) -> bool:
    """Return whether requests of a route are known, and not its description alone."""
    return bool(column.examples) or (column.lessons is not None and len(column.lessons) > 0)


def _others(routes: Sequence[RouteOption], columns: Sequence[Column]) -> list[str]:
    """Return the listed requests that no route serves, thinned out evenly where the routes have few texts."""
    listed = [route.examples if route.name == OTHER else route.counterexamples for route in routes]
    others = list(dict.fromkeys(text for texts in listed for text in texts))
    texts = sum(len(column.examples or column.phrases) for column in columns)
    most = OTHERS_TO_ONE * texts // max(1, len(columns))
    return [others[i * len(others) // most] for i in range(most)] if most < len(others) else others


def _phrases(route: RouteOption) -> tuple[str, ...]:
    name = route.name.replace("_", " ")
    return (*split_phrases(route.description), f"{name}: {route.description}" if route.description.strip() else name)


def _fair(sizes: Sequence[int], room: int) -> int:
    """Tell how many each may keep, so that all together have room and the smallest keep theirs."""
    left = sorted(sizes)
    while left and left[0] * len(left) <= room:
        room -= left.pop(0)
    return max(room, 0) // len(left) if left else max(sizes)


def _newest(column: Column, most: int) -> Column:
    """Keep the newest of a column; lessons take no more than half of the place from its examples."""
    room = max(most - len(column.examples), most // 2)
    lessons = 0 if column.lessons is None else min(len(column.lessons), room)
    examples = min(len(column.examples), most - lessons)
    return column._replace(
        examples=column.examples[len(column.examples) - examples :],
        lessons=None if column.lessons is None else column.lessons[len(column.lessons) - lessons :],
        weights=None if column.weights is None else column.weights[len(column.weights) - lessons :],
    )


def split_phrases(description: str) -> list[str]:
    """Split a description at marks, "and" and "or": what it lists are requests of different kinds."""
    phrases = re.split(r"[;,:\n]|[.!?](?:\s|$)|\b(?:and|or)\b", description)
    return list(dict.fromkeys(filter(None, map(str.strip, phrases))))
