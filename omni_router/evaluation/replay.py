"""Decide logged requests again (`--replay`), to see what a changed policy would have decided.

With the text in the log the router is asked again, with the new policy's routes; without, its old reply is read again.
The candidates are the logged ones, less those that the new policy no longer lists and with those that it newly names,
so that a policy that did not change shows no difference, however history has moved on. The catalog is not asked: what
it refused is refused again, and what else it did (it may have given a model its new name) is not in the log. If a
replay comes to another choice, it is compared with one under the logged policy too: only what differs from both counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Policy, Route
from omni_router.config.settings import NO_FALLBACK, Settings
from omni_router.errors import ConfigurationError
from omni_router.history import Cooling
from omni_router.hub.catalog import Availability, Listing
from omni_router.hub.requirements import NO_REQUIREMENTS, Requirements
from omni_router.nodes.validate_choice import validate_choice
from omni_router.routers import Router, parse_reply
from omni_router.selection.order import MAX_CANDIDATES, untried
from omni_router.selection.routes import ask_router, eligible_routes, options_of_document
from omni_router.services import Services
from omni_router.state import Candidate, Decision, models_in

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
        """Return whether both lead to the same call; reasons may be put in other words."""
        return (self.route, self.task, self.model) == (other.route, other.task, other.model)


class LoggedServices:
    """History and catalog as a decision of the log met them."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        """Read what the entry says of models that were rejected."""
        self._refused: dict[str, Any] = {}
        cooling: set[str] = set()
        for rejection in entry["passed_over"]:
            if rejection["kind"]:
                self._refused[rejection["model"]] = rejection
            if _was_cooling_down(rejection):
                cooling.add(rejection["model"])
        # A model that was called and failed has been cooling down only since.
        self._cooling = cooling - models_in(entry["attempts"])

    def cooling(self) -> Mapping[str, Sequence[Cooling]]:
        """Return what was cooling down."""
        return {model: [Cooling(kind="overloaded", until=NEVER, times=1)] for model in self._cooling}

    def check(
        self,
        model: str,
        provider: str | None,
        task: str,  # noqa: ARG002 (as the catalog)
        required: Requirements = NO_REQUIREMENTS,  # noqa: ARG002
    ) -> Availability:
        """Refuse what was refused."""
        if rejection := self._refused.get(model):
            return Availability(model, None, verified=True, refused=rejection["kind"], why=rejection["why"])
        return Availability(model, provider, verified=True)

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Return no models: the candidates are in the log."""
        return dict.fromkeys(tasks, ())


def _was_cooling_down(rejection: Mapping[str, Any]) -> bool:
    """Return whether a model was rejected because it was cooling down; older logs only have the words."""
    if "rule" in rejection:
        return bool(rejection["rule"] == "cooling_down")
    return str(rejection["why"]).startswith("cooling down")


@dataclass(frozen=True)
class LoggedPolicy:
    """The routes at the time of a decision, as far as the log has them."""

    tasks: Mapping[str, str]
    fallback: str | None

    def routes(self) -> list[Route]:
        """Return the logged routes."""
        return [Route(name, task, description="", fallback=name == self.fallback) for name, task in self.tasks.items()]


class Replay:
    """Decides entries of a log again under a policy."""

    def __init__(self, file: RouteFile, router: Router) -> None:
        self._file, self._router = file, router

    def decide(self, entry: dict[str, Any]) -> Choice:
        """Decide an entry again."""
        routes, image = self._file.routes(), entry["picture"]
        candidates = {route.name: self._candidates(route, entry) for route in routes}
        eligible = eligible_routes(routes, image_now=image["now"], image_before=image["before"])
        shown = {route.name: candidates[route.name][:MAX_CANDIDATES] for route in eligible}
        return self._choose(entry, self._file, candidates, shown, self._reply(entry, eligible, shown))

    def as_logged(self, entry: dict[str, Any]) -> Choice:
        """Decide an entry again under the logged policy."""
        candidates = {name: _logged_candidates(entry, name) for name in entry["tasks"]}
        shown = {name: candidates[name][:MAX_CANDIDATES] for name in entry["candidates"] if name in candidates}
        policy = LoggedPolicy(entry["tasks"], entry["fallback_route"])
        return self._choose(entry, policy, candidates, shown, entry["reply"])

    def _choose(
        self,
        entry: dict[str, Any],
        policy: Policy,
        candidates: dict[str, list[Candidate]],
        shown: dict[str, list[Candidate]],
        reply: str | None,
    ) -> Choice:
        logged: Any = LoggedServices(entry)
        decision = self._validate(entry, policy, shown, reply, logged)
        if isinstance(decision, Choice):
            return decision
        if decision["route"] is None or decision["model"] or decision["task"] is None:
            return Choice(decision["route"], decision["task"], decision["model"], decision["reason"])
        for candidate in untried(candidates[decision["route"]], [], decision["passed_over"]):
            if not logged.check(candidate["model"], None, "").refused:
                return Choice(decision["route"], decision["task"], candidate["model"], candidate["why"])
        return Choice(decision["route"], decision["task"], None, "no model is left for the route")

    def _validate(
        self,
        entry: dict[str, Any],
        policy: Policy,
        shown: dict[str, list[Candidate]],
        reply: str | None,
        logged: Any,
    ) -> Decision | Choice:
        """Return what validate_choice decides, or the choice of no route if the fallback route is gone."""
        state: Any = {
            "turn": entry["id"],
            "proposal": None if reply is None else asdict(parse_reply(reply)),
            "candidates": shown,
            "confidence": entry["confidence"],
            "previous": entry["previous"],
        }
        unused: Any = None  # nothing is called, and nothing saved
        services = Services(self._router, policy, history=logged, catalog=logged, inference=unused, artifacts=unused)
        try:
            decision: Decision = validate_choice(state, _settings(entry), services)["decision"]
        except ConfigurationError as error:
            return Choice(None, None, None, str(error))
        return decision

    def _candidates(self, route: Route, entry: dict[str, Any]) -> list[Candidate]:
        """Return the logged candidates of a route, as the new policy would have them."""
        records = {record["id"]: record for record in self._file.document().models.get(route.name.casefold(), ())}
        logged = _logged_candidates(entry, route.name)
        if entry["tasks"].get(route.name, route.task) != route.task:  # the models of the catalog do something else
            logged = [candidate for candidate in logged if candidate["source"] == "history"]
        listed = [c for c in logged if c["source"] in ("catalog", "caller") or c["model"] in records]
        for candidate in listed:
            records.pop(candidate["model"], None)
        added: list[Candidate] = []
        for model, record in records.items():
            # A model that was first used after the decision is in the file's history, not in the policy.
            if "first_seen" not in record or route.name not in entry["candidates"]:
                why = "named in the policy"
                added.append(Candidate(model=model, provider=record.get("provider"), source="history", why=why))
        from_catalog = [candidate for candidate in listed if candidate["source"] == "catalog"]
        place = listed.index(from_catalog[0]) if from_catalog else len(listed)
        return [*listed[:place], *added, *listed[place:]]

    def _reply(self, entry: dict[str, Any], routes: list[Route], shown: dict[str, list[Candidate]]) -> str | None:
        if "conversation" not in entry["asked"] or not routes:
            return cast("str | None", entry["reply"])
        options = options_of_document(self._file.document(), routes, shown)
        reply = ask_router(self._router, entry["asked"]["conversation"], options)
        return reply.text if reply else None


def _settings(entry: dict[str, Any]) -> Settings:
    by_policy = entry.get("fallback_by_policy", False)  # older logs: policies had no fallback, None refused
    fallback = entry["fallback_route"] or NO_FALLBACK
    return Settings(fallback_route=None if by_policy else fallback, min_confidence=entry.get("min_confidence", 0.0))


def _logged_candidates(entry: dict[str, Any], route: str) -> list[Candidate]:
    """Return the candidates in the log; of a fallback route, which no router was shown, the model that was called."""
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
    """Return what was chosen first; what followed was a matter of failures, not of the policy."""
    model = entry["attempts"][0]["model"] if entry["attempts"] else entry["model"]
    return Choice(entry["route"], entry["task"], model, entry["reason"])
