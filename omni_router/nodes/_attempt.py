"""One call of a specialist: timed, its failure caught, and both described by one Attempt."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.routes import parameters_of
from omni_router.config.settings import Settings
from omni_router.errors import ErrorInfo, SpecialistError
from omni_router.messages import for_specialist, with_instructions
from omni_router.nodes import _bulkhead as bulkhead
from omni_router.selection.overrides import decision_metadata
from omni_router.services import Services
from omni_router.state import Artifact, Attempt, Decision, Outcome, State

Answer = tuple[AIMessage, list[Artifact]]


def attempt(state: State, call: Callable[[str, str | None], Answer]) -> dict[str, Any]:
    """Run `call(model, provider)` for the decision, and return what the specialist node changes."""
    decision = state["decision"]
    if decision is None or decision["model"] is None:
        raise AssertionError("a specialist node is reached only with a model")
    model, provider = decision["model"], decision["provider"]
    started = perf_counter()
    answer: Answer | None = None
    error: ErrorInfo | None = None
    outcome: Outcome = "answered"
    try:
        bulkhead.check(model)
        answer = call(model, provider)
    except SpecialistError as failure:
        error = failure.info
        outcome = failure.kind
        if failure.partial:
            answer = failure.partial, []
    this_attempt = Attempt(
        model=model,
        provider=provider,
        outcome=outcome,
        seconds=round(perf_counter() - started, 3),
        error=error,
        partial=error is not None and answer is not None,
    )
    update: dict[str, Any] = {"attempts": [*state["attempts"], this_attempt]}
    if answer:
        update |= _answer_update(state, decision, answer)
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
    conversation = with_instructions(for_specialist(state["messages"], images=images), instructions)
    return services.inference.chat(model, provider, conversation, settings)


def _answer_update(state: State, decision: Decision, answer: Answer) -> dict[str, Any]:
    message, artifacts = answer
    # The message itself: a copy would be streamed again.
    message.response_metadata["decision"] = decision_metadata(decision)
    return {"messages": [message], "artifacts": [*state["artifacts"], *artifacts]}
