"""One call of a specialist: timed, its failure caught, its cost computed, and all described by one Attempt."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage

from omni_router.config.routes import parameters_of
from omni_router.config.settings import Settings
from omni_router.costs import brought_something
from omni_router.decisions.signals import signals_of_answer, signals_of_failure
from omni_router.errors import RunCancelled, SpecialistError
from omni_router.hub.metering import usage_of
from omni_router.hub.prices import cost_of_call, highest_cost, offers_of
from omni_router.messages import for_specialist, since_request, with_instructions
from omni_router.model_id import PROVIDER_POLICIES
from omni_router.nodes import _budget as budget
from omni_router.nodes import _bulkhead as bulkhead
from omni_router.selection.overrides import decision_metadata
from omni_router.services import Services
from omni_router.state import Artifact, Attempt, Decision, Signal, State, TokenUsage

Answer = tuple[AIMessage, list[Artifact]]


class _Outcome(NamedTuple):
    """What came of a call: an answer, a failure, or both for an answer that broke off."""

    answer: Answer | None
    failure: SpecialistError | None

    @property
    def provider(self) -> str | None:
        """The provider that answered, where it is known."""
        if self.failure:
            return self.failure.provider
        if self.answer:
            return self.answer[0].response_metadata.get("provider")
        return None

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens that it has counted."""
        if self.failure:
            return self.failure.usage
        if self.answer:
            return usage_of(self.answer[0])
        return None


def attempt(
    state: State, settings: Settings, services: Services, call: Callable[[str, str | None], Answer]
) -> dict[str, Any]:
    """Run `call(model, provider)` for the decision, and return what the specialist node changes."""
    decision = state["decision"]
    if decision is None or decision["model"] is None:
        raise AssertionError("a specialist node is reached only with a model")
    started = perf_counter()
    outcome = _call(state, services, decision, call)
    this_attempt = _described(decision, outcome, perf_counter() - started)
    _set_costs(this_attempt, decision, services)
    if signals := _signals(outcome, state, settings):
        this_attempt["signals"] = signals
    update: dict[str, Any] = {"attempts": [*state["attempts"], this_attempt]}
    if outcome.answer:
        update |= _answer_update(state, decision, this_attempt, outcome.answer)
    return update


def chat(  # noqa: PLR0913 (those of a node, and the model)
    model: str, provider: str | None, state: State, settings: Settings, services: Services, *, images: bool = False
) -> AIMessage:
    """Answer the conversation with a chat model, which gets the instructions of the decision's route.

    Raises:
        SpecialistError: the call failed.
    """
    decision = state["decision"]
    instructions = parameters_of(services.policy, decision["route"] if decision else None).system
    conversation = with_instructions(for_specialist(_asked(state), images=images), instructions)
    return services.inference.chat(model, provider, conversation, settings)


def _asked(state: State) -> list[AnyMessage]:
    """Return the conversation to answer: without the answer to its newest request, if that one is to be replaced."""
    messages, decision = state["messages"], state["decision"]
    if decision and decision.get("instead_of"):
        return messages[: len(messages) - len(since_request(messages))]
    return messages


def _call(state: State, services: Services, decision: Decision, call: Callable[[str, str | None], Answer]) -> _Outcome:
    model = str(decision["model"])
    try:
        budget.check(model, state, services)
        bulkhead.check(model)
        return _Outcome(call(model, _provider(decision, services)), None)
    except SpecialistError as failure:
        if failure.partial:
            return _Outcome((failure.partial, []), failure)
        return _Outcome(None, failure)
    except RunCancelled:  # the provider has begun, and is paid; the run ends here, and records nothing
        budget.charge_cancelled(state, services)
        raise


def _provider(decision: Decision, services: Services) -> str | None:
    """Return the provider to be named; none if the decision was edited to a model that this one does not serve."""
    provider = decision["provider"]
    offers = {offer.provider for offer in offers_of(services.catalog, str(decision["model"]))}
    if provider in PROVIDER_POLICIES or provider in offers or not offers:
        return provider
    return None


def _described(decision: Decision, outcome: _Outcome, seconds: float) -> Attempt:
    """Return the attempt without its costs."""
    failure = outcome.failure
    return Attempt(
        model=str(decision["model"]),
        provider=outcome.provider or decision["provider"],
        outcome=failure.kind if failure else "answered",
        seconds=round(seconds, 3),
        error=failure.info if failure else None,
        partial=failure is not None and outcome.answer is not None,
        usage=outcome.usage,
        cost=None,
        estimated_cost=None,
    )


def _set_costs(this_attempt: Attempt, decision: Decision, services: Services) -> None:
    """Set what a call has cost; nothing is paid, and nothing estimated, where nothing came back."""
    if not brought_something(this_attempt):
        return
    this_attempt["estimated_cost"] = decision["estimated_cost"]
    usage = this_attempt["usage"]
    if usage is None:
        return
    offers = offers_of(services.catalog, this_attempt["model"])
    this_attempt["cost"] = cost_of_call(usage, this_attempt["provider"], offers)
    if this_attempt["cost"] is None:
        this_attempt["estimated_cost"] = highest_cost(usage, offers)


def _signals(outcome: _Outcome, state: State, settings: Settings) -> list[Signal]:
    """Return what the outcome of a call says against the model, beside that it failed."""
    if outcome.failure:
        return signals_of_failure(outcome.failure.info)
    if outcome.answer is None:
        return []
    message, artifacts = outcome.answer
    if artifacts:  # the model has drawn, and the words are this package's
        return []
    return signals_of_answer(message, state["messages"], settings.response_format)


def _answer_update(state: State, decision: Decision, this_attempt: Attempt, answer: Answer) -> dict[str, Any]:
    message, artifacts = answer
    # The message itself: a copy would be streamed again.
    message.response_metadata["decision"] = decision_metadata(decision)
    message.response_metadata["cost"] = this_attempt["cost"]
    messages: list[AnyMessage | RemoveMessage] = [message]
    if decision.get("instead_of"):
        messages = [*_removals(state["messages"]), message]
    return {"messages": messages, "artifacts": [*state["artifacts"], *artifacts]}


def _removals(messages: list[AnyMessage]) -> list[RemoveMessage]:
    """Return what removes the replaced answer from the thread, with the tool calls on the way to it."""
    return [RemoveMessage(id=message.id) for message in since_request(messages) if message.id is not None]
