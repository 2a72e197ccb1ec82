"""Feedback of a user or an evaluator on a decision."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Protocol

from omni_router.config.routes import Policy
from omni_router.errors import InvalidRequest
from omni_router.history import Feedback, History
from omni_router.history.protocol import ModelRecord
from omni_router.messages import IMAGE_MARK, newest_user_text
from omni_router.routers import OTHER


class FeedbackServices(Protocol):
    """The part of `Services` that a verdict needs."""

    @property
    def history(self) -> History:
        """The history that stores verdicts."""
        ...

    @property
    def policy(self) -> Policy:
        """The routes that a verdict may name."""
        ...


def give_feedback(
    result: Mapping[str, Any], verdict: str, *, services: FeedbackServices, text: str | None = None
) -> str | None:
    """Rate a decision: `good`, `bad`, the name of the route it should have been, or `other` if no route fits.

    It counts when models are ranked, unless the caller had named the model. The request of a good decision, or
    of one whose right route is named, becomes an example of that route if its text is known; routers are shown the
    examples of `other` as requests that no route serves.

    Args:
        result: what the graph returned, or its decision alone.
        verdict: `good`, `bad`, a route of the policy, or `other`.
        services: those of the graph, of which the history and the policy are used.
        text: the request; by default the newest user message of the result.

    Returns:
        Where it was saved; None if there was nothing to save.

    Raises:
        InvalidRequest: the verdict is not one of these, or nothing was decided.
    """
    decision = result.get("decision", result)
    if text is None and "messages" in result:
        text = newest_user_text(result["messages"])
    return services.history.add_feedback(read_verdict(decision or {}, verdict, text, services.policy))


def read_verdict(decision: Mapping[str, Any], verdict: str, text: str | None, policy: Policy) -> Feedback:
    """Parse a verdict on a decision.

    Raises:
        InvalidRequest: it is not one of the words and routes that are allowed, or nothing was decided.
    """
    routes = {route.name.casefold(): route.name for route in policy.routes()}
    routes[OTHER] = OTHER
    rating = verdict.strip().casefold()
    correct_route = routes.get(rating)
    if rating not in ("good", "bad") and correct_route is None:
        raise InvalidRequest(f"a verdict must be good, bad or a route ({', '.join(routes.values())}), not {verdict!r}")
    route, model = decision.get("route"), decision.get("model")
    if correct_route is None and (not route or not model):
        raise InvalidRequest("no model was chosen, so the verdict can only be the route that would have been right")
    if correct_route is not None and correct_route == route and model:  # without a model, only a route can be rated
        correct_route, rating = None, "good"
    kind: Literal["good", "bad", "should_be"] = "should_be"
    if correct_route is None and rating == "good":
        kind = "good"
    elif correct_route is None:
        kind = "bad"
    if decision.get("source") == "caller":  # a verdict on that model is one on the caller's own choice
        model = None
    return Feedback(str(route or ""), str(model or ""), kind, correct_route, text or None)


def counts_for_model(verdict: Feedback, models: Iterable[ModelRecord]) -> bool:
    """Return whether a verdict is about its model, and the model has a record on the route for it to be counted in."""
    if verdict.verdict == "should_be":
        return False
    return verdict.model in map(itemgetter("id"), models)


class Rating(NamedTuple):
    """What became of a verdict."""

    feedback: dict[str, Any]  # id, verdict, route, model, should_be, kept_in, example_of
    summary: str  # the same in words


def rate(
    entry: Mapping[str, Any],
    verdict: str,
    services: FeedbackServices,
    *,
    text: str | None = None,
    shown_place: str | None = None,
) -> Rating:
    """Rate a decision of a log.

    Args:
        entry: the entry of the decision.
        verdict: `good`, `bad`, a route of the policy, or `other`.
        services: those of the graph, of which the history and the policy are used.
        text: the request, if it is known although the entry does not hold it.
        shown_place: the name of the place where it is saved, for readers on other machines.

    Raises:
        InvalidRequest: the verdict is not one of these, or nothing was decided.
    """
    if text is None:  # only text can become an example
        text = newest_text(entry["asked"].get("conversation", [])).replace(IMAGE_MARK, "").strip()
    feedback = read_verdict(entry, verdict, text, services.policy)
    counted = counts_for_model(feedback, services.history.models(feedback.route))
    place = services.history.add_feedback(feedback)
    if place and shown_place:
        place = shown_place
    example_of: str | None = None
    if place and feedback.text:
        example_of = feedback.example_of
    kept = {
        "id": entry["id"],
        "verdict": feedback.verdict,
        "route": feedback.route,
        "model": feedback.model or None,
        "should_be": feedback.correct_route,
        "kept_in": place,
        "example_of": example_of,
    }
    return Rating(kept, f"{entry['id']}: {_describe(entry, feedback, place, counted=counted)}")


def newest_text(conversation: list[dict[str, Any]]) -> str:
    """Return what the user wrote last in the conversation of an entry."""
    for turn in reversed(conversation):
        if turn["role"] == "user":
            return str(turn["content"])
    return ""


def _describe(entry: Mapping[str, Any], verdict: Feedback, place: str | None, *, counted: bool) -> str:
    example_of = verdict.example_of
    parts = ["nothing was saved"]
    if place:
        parts = [f"saved in {place}"]
    if counted:
        parts.append(f"{verdict.model} counts as {verdict.verdict} for {verdict.route}")
    elif verdict.verdict != "should_be" and verdict.model:
        parts.append(f"{verdict.model} has no record on {verdict.route}")
    elif verdict.verdict != "should_be" and entry["model"]:
        parts.append(f"the caller named {entry['model']}, so the rating does not change its rank")
    if example_of and verdict.text:
        parts.append(f"the request is now an example of {example_of}")
    elif example_of:
        parts.append("the request was not added as an example, since its text was not logged (--log-text keeps it)")
    return "; ".join(parts)
