"""The result of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from omni_router.config.routes import Document, Route
from omni_router.evaluation.data import Item
from omni_router.evaluation.formatting import requests
from omni_router.evaluation.metrics import Outcome, measure
from omni_router.routers import OTHER
from omni_router.selection.routes import eligible_routes


@dataclass(frozen=True)
class Evaluation:
    """Which routers were evaluated on which data, and what they predicted."""

    data: Path
    policy: Path
    document: Document  # the policy
    items: Sequence[Item]
    outcomes: Mapping[str, Sequence[Outcome]]  # outcomes by router, aligned with the items

    @cached_property
    def measures(self) -> dict[str, dict[str, Any]]:
        """Return the metrics of each router."""
        names = [route.name for route in self.document.routes]
        return {router: measure(outcomes, names) for router, outcomes in self.outcomes.items()}

    @property
    def first_router(self) -> str:
        """Return the name of the router that was named first."""
        return next(iter(self.outcomes))

    @property
    def notes(self) -> list[str]:
        """Return the notes that a reader of the figures needs."""
        known = _example_texts(self.document)
        in_examples = assumed_image = unreachable = 0
        for item in self.items:
            in_examples += item.text.strip().casefold() in known
            assumed_image += item.image_before and not item.has_image
            unreachable += not _is_reachable(item, self.document.routes)
        notes = []
        if in_examples:
            notes.append(
                f"the policy's examples include {requests(in_examples)}: routers do better on these than on new "
                "requests"
            )
        if assumed_image:
            notes.append(
                f"{requests(assumed_image)} without an image for a route that takes images: an earlier image is "
                'assumed, and all routes are offered ("image": true attaches an image)'
            )
        if unreachable:
            notes.append(f"{requests(unreachable)} for a route that is not offered to them: no router can be right")
        return notes


def _example_texts(document: Document) -> set[str]:
    texts = [*document.out_of_scope_examples, *chain(*document.learned.values())]
    for route in document.routes:
        texts += route.examples
    return {text.strip().casefold() for text in texts}


def _is_reachable(item: Item, routes: Sequence[Route]) -> bool:
    """Check whether the right route of an item is among those that a router can choose."""
    if item.route == OTHER:
        return True
    eligible = eligible_routes(routes, image_now=item.image_now, image_before=item.image_before)
    return any(route.name == item.route for route in eligible)
