"""A router that a test scripts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from omni_router.routers import Reply, RouteOption, Turn


@dataclass
class ScriptedRouter:
    """A router that answers as a test scripts it, and stores the requests."""

    says: str | Exception | None = None
    asked: list[tuple[list[Turn], list[RouteOption]]] = field(default_factory=list)

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.asked.append((list(conversation), list(routes)))
        if isinstance(self.says, Exception):
            raise self.says
        return Reply(self.says or "", 0.9)

    def choose(self, route: str | None, model: str | None = None, reason: str = "as scripted") -> None:
        self.says = json.dumps({"route": route, "model": model, "reason": reason})
