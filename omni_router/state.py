"""What travels through the graph: plain values that JSON can hold, so that any checkpointer can store them.

There is no base64 here: generated images are files, named in `artifacts`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import NotRequired, TypedDict

from omni_router.error_kinds import ErrorInfo, ErrorKind, Gate

Source = Literal["router", "history", "catalog", "caller"]  # caller: Settings.model
Outcome = Literal["answered"] | ErrorKind
# Why a model was rejected: its call would have failed, it is cooling down, the thread goes on with its own model, the
# catalog could not verify it, another one ranks before it, or it has answered and another one was asked for.
Rejection = Literal["refused", "cooling_down", "thread_model", "unverified", "ranked_after", "replaced"]
# A sign that an answer was not good; decisions/signals.py says what each means.
Signal = Literal[
    "empty", "cut", "refused", "broken_json", "same_tool_call", "asked_again", "objection", "another_model"
]


class Artifact(TypedDict):
    """A file on disk."""

    path: str
    mime_type: str
    width: int | None  # pixels; None where the file is not an image
    height: int | None


class TokenUsage(TypedDict):
    """The tokens of a call as the provider has counted them."""

    input_tokens: int
    output_tokens: int  # with those of the reasoning
    reasoning_tokens: NotRequired[int]  # how many of the output


class Candidate(TypedDict):
    """A model that may be called for a route."""

    model: str  # org/name
    provider: str | None  # None: let the client choose
    source: Source
    why: str  # the reason for its rank
    score: NotRequired[float]  # by which it is ranked, where something is known of the route's models
    grounds: NotRequired[str]  # what boards, prices and verdicts say for it, or whom they would choose


class RejectedCandidate(TypedDict):
    """A model that was not called, with the reason."""

    model: str
    source: Source
    kind: ErrorKind | None  # the error its call would have ended in; None if it was only less preferred
    rule: Rejection
    gate: Gate | None  # the gate that it did not pass
    why: str  # the same, in words


def rejected(
    candidate: Candidate, rule: Rejection, why: str, kind: ErrorKind | None = None, gate: Gate | None = None
) -> RejectedCandidate:
    """Return a candidate as one that is not called."""
    model, source = candidate["model"], candidate["source"]
    return RejectedCandidate(model=model, source=source, kind=kind, rule=rule, gate=gate, why=why)


class Decision(TypedDict):
    """What the graph acts on. `model` is None if there is none (yet), `route` if no reply could be read.

    `new_decision` makes it, the node `validate_choice` sets its route, and `selection.candidates` its model.
    """

    id: str  # the id of the turn, which --why and --feedback take
    route: str | None
    task: str | None  # a key of TASKS; None with route `other`
    model: str | None
    provider: str | None  # None: let the client choose
    provider_reason: str  # why this provider, or why none is named; empty where there was nothing to choose
    prefer: str | float | None  # what counted in the choice; None: no model
    estimated_cost: float | None  # US dollars, for the provider that is expected to answer; None where unknown
    reason: str
    source: Source | None
    confidence: float | None  # 0..1
    verified: bool | None  # the catalog says that the model is served for the task; None: no model
    passed_over: list[RejectedCandidate]
    proposed_route: str | None  # the router's choice, such as `other`, if another route was taken instead
    instead_of: NotRequired[list[str]]  # the models that have answered this request, where another was asked for


def new_decision(turn: str, reason: str, confidence: float | None) -> Decision:
    """Return a decision without a route or a model yet."""
    return Decision(
        id=turn,
        route=None,
        task=None,
        model=None,
        provider=None,
        provider_reason="",
        prefer=None,
        estimated_cost=None,
        reason=reason,
        source=None,
        confidence=confidence,
        verified=None,
        passed_over=[],
        proposed_route=None,
    )


def without_model(decision: Decision) -> Decision:
    """Return a decision without all that goes with a model."""
    return {
        **decision,
        "model": None,
        "provider": None,
        "provider_reason": "",
        "prefer": None,
        "estimated_cost": None,
        "source": None,
        "verified": None,
    }


class Attempt(TypedDict):
    """One call of a specialist and how it ended: made in `nodes/_attempt.py`, counted in `history/usage.py`."""

    model: str
    provider: str | None  # the one that answered, else the one that was asked for; None: not known
    outcome: Outcome
    seconds: float
    error: ErrorInfo | None
    partial: bool  # the answer broke off after its first token; the part that had arrived is in `messages`
    usage: TokenUsage | None  # None: the provider did not report it
    cost: float | None  # US dollars: the usage at the prices of the provider that answered; None: one is not known
    estimated_cost: float | None  # US dollars; where `cost` is None, at the highest price among the live providers
    signals: NotRequired[list[Signal]]  # what speaks against the model, beside the outcome; absent: nothing


class Doubt(TypedDict):
    """What a turn says against the answer of an earlier one; it holds no text."""

    decision: str  # its id
    route: str
    model: str
    signals: list[Signal]


def models_in(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the models that candidates, rejections or attempts name."""
    return {entry["model"] for entry in entries}


class Previous(TypedDict):
    """What a thread remembers of the last turn's decision."""

    route: str | None
    model: str | None
    by_caller: NotRequired[bool]  # the caller had named the model: its uses stay the caller's


class Input(TypedDict):
    """What a run takes."""

    messages: Annotated[list[AnyMessage], add_messages]


class Output(TypedDict, total=False):
    """What a run returns."""

    messages: Annotated[list[AnyMessage], add_messages]
    decision: Decision | None
    attempts: list[Attempt]
    artifacts: list[Artifact]
    error: ErrorInfo | None


class State(Output, total=False):
    """The whole state; every key but `messages`, `previous` and `spent` is new in each turn, from `route_request`."""

    turn: str  # the id of this turn's decision: route_request -> validate_choice
    reply: str | None  # the router's raw reply; None when it was not asked, or failed: route_request -> CLI, logs
    doubt: Doubt | None  # about the answer before: route_request -> record_outcome, the decision log
    proposal: dict[str, Any] | None  # routers.Proposal as a dict: route_request -> validate_choice
    confidence: float | None  # the router's confidence: route_request -> validate_choice
    candidates: dict[str, list[Candidate]]  # by eligible route, best first: route_request -> validate_choice
    previous: Previous | None  # route_request -> the next turn
    spent: float  # US dollars for all turns of the thread: record_outcome -> the next turn, the budget
    routing_only: bool  # no specialist is called: announce_decision -> its edge
    models_left: int  # how many other models may still be tried: record_outcome -> its edge
