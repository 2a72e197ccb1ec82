"""`--replay`: what a changed policy would have decided.

With the text in the log the router is asked again, with the new policy's routes; without, its old reply is read again.
Candidates are those of then, less what the new policy no longer lists and with what it newly names, so that a policy
that did not change shows no difference, however history has moved on. The catalog is not asked: what it refused then
is refused again, and what else it did then (it gave a model its new name, say) cannot be told from the log. Where a
replay comes out otherwise, it is compared with one under the logged policy too, and only what differs from both counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Policy, Route
from omni_router.config.settings import NO_FALLBACK, Settings
from omni_router.errors import ConfigurationError
from omni_router.history import Cooling
from omni_router.hub.capabilities import Needs
from omni_router.hub.catalog import Check, Listing
from omni_router.nodes.route_request import ask
from omni_router.nodes.validate_choice import validate_choice
from omni_router.routers import Router, parse_reply
from omni_router.selection.order import MAX_CANDIDATES, eligible_routes, untried
from omni_router.selection.routes import options_of_document
from omni_router.services import Services
from omni_router.state import Candidate

NEVER = "9999-12-31T23:59:59Z"


@dataclass(frozen=True)
class Choice:
    """What is compared: the route, its task, and the model of the first choice."""

    route: str | None
    task: str | None
    model: str | None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.route or 'no route'} -> {self.model or 'no model'} ({self.task or 'no task'})"

    def same_as(self, other: "Choice") -> bool:
        """Tell whether both would have done the same; reasons may be put in other words."""
        return (self.route, self.task, self.model) == (other.route, other.task, other.model)


class Then:
    """History and catalog as a decision of the log met them."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        over = entry["passed_over"]
        self._refused = {each["model"]: each for each in over if each["kind"]}
        # What was called first and failed cools down only since.
        tried = {each["model"] for each in entry["attempts"]}
        self._cooling = {each["model"] for each in over if each["why"].startswith("cooling down")} - tried

    def cooling(self) -> Mapping[str, Sequence[Cooling]]:
        """Give what was cooling down."""
        return {model: [Cooling(kind="then", until=NEVER, times=1)] for model in self._cooling}

    def check(self, model: str, provider: str | None, task: str, needs: Needs = ()) -> Check:  # noqa: ARG002 (as the catalog)
        """Refuse what was refused."""
        if over := self._refused.get(model):
            return Check(model, None, verified=True, refused=over["kind"], why=over["why"])
        return Check(model, provider, verified=True)

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give nothing: the candidates of then are in the log."""
        return dict.fromkeys(tasks, ())


@dataclass(frozen=True)
class LoggedPolicy:
    """The routes of then, as far as the log has them."""

    tasks: Mapping[str, str]
    fallback: str | None

    def routes(self) -> list[Route]:
        """Return the routes of then."""
        return [Route(name, task, description="", fallback=name == self.fallback) for name, task in self.tasks.items()]


class Replay:
    """Decides entries of a log anew under a policy."""

    def __init__(self, file: RouteFile, router: Router) -> None:
        self._file, self._router = file, router

    def decide(self, entry: dict[str, Any]) -> Choice:
        """Decide one entry anew."""
        routes = self._file.routes()
        lines = {route.name: self._line(route, entry) for route in routes}
        offered = eligible_routes(
            routes, picture_now=entry["picture"]["now"], picture_before=entry["picture"]["before"]
        )
        return self._choice(entry, self._file, lines, {r.name for r in offered}, self._reply(entry, offered, lines))

    def as_logged(self, entry: dict[str, Any]) -> Choice:
        """Decide one entry anew under the policy of then."""
        lines = {name: _remembered(entry, name) for name in entry["tasks"]}
        policy = LoggedPolicy(entry["tasks"], entry["fallback_route"])
        return self._choice(entry, policy, lines, set(entry["candidates"]), entry["reply"])

    def _choice(
        self,
        entry: dict[str, Any],
        policy: Policy,
        lines: dict[str, list[Candidate]],
        offered: set[str],
        reply: str | None,
    ) -> Choice:
        state: Any = {
            "turn": entry["id"],
            "proposal": None if reply is None else asdict(parse_reply(reply)),
            "candidates": {name: line[:MAX_CANDIDATES] for name, line in lines.items() if name in offered},
            "confidence": entry["confidence"],
            "previous": entry["previous"],
        }
        then: Any = Then(entry)
        nothing: Any = None  # nothing is called, and nothing saved
        services = Services(self._router, policy, history=then, catalog=then, inference=nothing, artifacts=nothing)
        try:
            decision = validate_choice(state, _settings(entry), services)["decision"]
        except ConfigurationError as error:  # the fallback route is gone
            return Choice(None, None, None, str(error))
        if decision["model"] or decision["task"] is None:
            return Choice(decision["route"], decision["task"], decision["model"], decision["reason"])
        left = untried(lines[decision["route"]], [], decision["passed_over"])
        served = [candidate for candidate in left if not then.check(candidate["model"], None, "").refused]
        model, why = (served[0]["model"], served[0]["why"]) if served else (None, "no model is left for the route")
        return Choice(decision["route"], decision["task"], model, why)

    def _line(self, route: Route, entry: dict[str, Any]) -> list[Candidate]:
        """Give the candidates of then, as the new policy would have them."""
        records = self._file.document().models.get(route.name.casefold(), ())
        then = _remembered(entry, route.name)
        if entry["tasks"].get(route.name, route.task) != route.task:  # the old ones do something else
            then = [candidate for candidate in then if candidate["source"] == "history"]
        known = {record["id"] for record in records}
        kept = [c for c in then if c["source"] in ("catalog", "caller") or c["model"] in known]
        named = {candidate["model"] for candidate in kept}
        new = [
            Candidate(model=r["id"], provider=r.get("provider"), source="history", why="named in the policy")
            for r in records
            if r["id"] not in named and ("first_seen" not in r or route.name not in entry["candidates"])
        ]
        at = next((i for i, c in enumerate(kept) if c["source"] == "catalog"), len(kept))
        return [*kept[:at], *new, *kept[at:]]

    def _reply(self, entry: dict[str, Any], routes: list[Route], lines: dict[str, list[Candidate]]) -> str | None:
        if "conversation" not in entry["asked"] or not routes:
            return cast("str | None", entry["reply"])
        shown = {name: line[:MAX_CANDIDATES] for name, line in lines.items()}
        options = options_of_document(self._file.document(), routes, shown)
        reply = ask(self._router, entry["asked"]["conversation"], options)
        return reply.text if reply else None


def _settings(entry: dict[str, Any]) -> Settings:
    by_policy = entry.get("fallback_by_policy", False)  # older logs: policies had no fallback, None refused
    fallback = None if by_policy else entry["fallback_route"] or NO_FALLBACK
    return Settings(fallback_route=fallback, min_confidence=entry.get("min_confidence", 0.0))


def _remembered(entry: dict[str, Any], route: str) -> list[Candidate]:
    """Give the candidates of then; of a fallback route, which no router was offered, what was taken of it."""
    first = decided(entry)
    if route in entry["candidates"] or route != first.route or first.model is None:
        return list(entry["candidates"].get(route, []))
    return [Candidate(model=first.model, provider=None, source=entry["source"], why=entry["reason"])]


def differences(
    entries: Iterable[dict[str, Any]], replay: Replay
) -> Iterator[tuple[dict[str, Any], Choice, Choice] | None]:
    """Yield for each entry how it was decided and how it would be now, or None where that is the same.

    What differs under the logged policy too is not a matter of the policy.
    """
    for entry in entries:
        before, after = decided(entry), replay.decide(entry)
        same = before.same_as(after) or replay.as_logged(entry).same_as(after)
        yield None if same else (entry, before, after)


def decided(entry: dict[str, Any]) -> Choice:
    """Give what was chosen then; what came after the first choice was a matter of failures, not of policy."""
    model = entry["attempts"][0]["model"] if entry["attempts"] else entry["model"]
    return Choice(entry["route"], entry["task"], model, entry["reason"])
