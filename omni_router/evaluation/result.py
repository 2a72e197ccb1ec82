"""What an evaluation has found, and the form of report.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from omni_router import __version__
from omni_router.config.routes import Document, Route
from omni_router.evaluation.data import Item
from omni_router.evaluation.formatting import requests
from omni_router.evaluation.metrics import Outcome, measure
from omni_router.routers import OTHER
from omni_router.selection.routes import eligible_routes


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated on what, and what came of it."""

    data: Path
    policy: Path
    document: Document  # of the policy
    items: Sequence[Item]
    outcomes: Mapping[str, Sequence[Outcome]]  # by router, each aligned with the items

    @cached_property
    def measures(self) -> dict[str, dict[str, Any]]:
        """Give the metrics of each router."""
        names = [route.name for route in self.document.routes]
        return {router: measure(outcomes, names) for router, outcomes in self.outcomes.items()}

    @property
    def first(self) -> str:
        """Give the name of the router that was named first."""
        return next(iter(self.outcomes))

    @property
    def notes(self) -> list[str]:
        """Say what has to be known to read the figures."""
        taking = sum(item.picture_before and not item.has_picture for item in self.items)
        beyond = sum(not _reachable(item, self.document.routes) for item in self.items)
        known = _examples(self.document)
        seen = sum(item.text.strip().casefold() in known for item in self.items)
        notes = []
        if seen:
            notes.append(
                f"the policy's examples include {requests(seen)}: routers do better on these than on new requests"
            )
        if taking:
            notes.append(
                f"{requests(taking)} without an image for a route that takes images: an earlier image is assumed, and "
                'all routes are offered ("image": true attaches an image)'
            )
        if beyond:
            notes.append(f"{requests(beyond)} for a route that is not offered to them: no router can be right")
        return notes


def as_json(done: Evaluation) -> dict[str, Any]:
    """Give the report as one object: the metrics of the first router on top, those of all below `routers`."""
    return {
        "router": done.first,
        **done.measures[done.first],
        "routers": done.measures,
        "data": str(done.data),
        "policy": str(done.policy),
        "notes": done.notes,
        "made": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "version": __version__,
    }


def items_as_json(done: Evaluation) -> list[dict[str, Any]]:
    """Give what each router made of each item, for a later comparison; the text stays in the data."""
    return [
        {
            "id": item.id,
            "line": item.line,
            "route": item.route,
            "replies": {
                router: {
                    "predicted": outcomes[number].predicted,
                    "confidence": outcomes[number].confidence,
                    "ms": _milliseconds(outcomes[number]),
                }
                for router, outcomes in done.outcomes.items()
            },
        }
        for number, item in enumerate(done.items)
    ]


def _milliseconds(outcome: Outcome) -> float | None:
    return None if outcome.seconds is None else round(outcome.seconds * 1000, 1)


def _examples(document: Document) -> set[str]:
    texts = chain(*(r.examples for r in document.routes), *document.learned.values(), document.counterexamples)
    return {text.strip().casefold() for text in texts}


def _reachable(item: Item, routes: Sequence[Route]) -> bool:
    offered = eligible_routes(routes, image_now=item.picture_now, image_before=item.picture_before)
    return item.route == OTHER or item.route in (route.name for route in offered)
