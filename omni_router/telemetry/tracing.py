"""Spans of a run, through the OpenTelemetry API: the host brings the SDK, and without one they cost next to nothing.

The names beginning with `gen_ai.` are those of the semantic conventions for generative AI. They are written out here
because the package that holds them marks each as moved to another repository, which has not published a package yet.
Nothing that a person or a model wrote goes into a span: no prompt, answer, reason or error message, and no token.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omni_router._version import __version__
from omni_router.config.settings import DEFAULT_TEMPERATURE, Settings
from omni_router.errors import missing_package
from omni_router.state import Decision, State
from omni_router.tasks import OTHER, Task, task_of
from omni_router.telemetry.observer import Run

try:
    from opentelemetry import trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as error:
    raise missing_package("spans need the OpenTelemetry API", "observe") from error

if TYPE_CHECKING:
    from opentelemetry.context import Context

SILENT = ("announce_decision",)  # it neither waits nor decides
PROVIDER = "hugging_face"  # the service that is called; the one that computes is omni.provider
MAX_TURNS = 1_000  # under way at once and without a span of the caller, before the oldest loses its trace


class Tracing:
    """A span for each node, below the caller's current one; a specialist's has the names of the conventions.

    Where the caller has no span, `route_request` begins a trace and the turn's other spans hang below it.
    """

    def __init__(self, provider: "trace.TracerProvider | None" = None) -> None:
        """Create spans with a tracer provider, by default the global one, which may be set later."""
        self._tracer = trace.get_tracer("omni_router", __version__, provider)
        self._turns: dict[str, trace.SpanContext] = {}
        self._lock = threading.Lock()

    def wrap_node(self, node: str, state: State, settings: Settings, run: Run) -> dict[str, Any]:
        """Run a node within its span."""
        if node in SILENT:
            return run()
        in_trace = trace.get_current_span().get_span_context().is_valid
        task = task_of(node)
        with self._tracer.start_as_current_span(
            _span_name(node, task, state),
            context=None if in_trace or node == "route_request" else self._turn(state["turn"]),
            kind=SpanKind.CLIENT if task else SpanKind.INTERNAL,
            attributes=_request_attributes(task, state, settings),
            record_exception=False,  # its message may hold what somebody wrote
            set_status_on_exception=False,
        ) as span:
            try:
                update = run()
            except Exception as error:
                _fail(span, type(error).__qualname__)
                raise
            _set_outcome(span, node, state, update)
            if node == "route_request" and not in_trace:
                self._begin(update["turn"], span.get_span_context())
            return update

    def _begin(self, turn: str, span: trace.SpanContext) -> None:
        if span.is_valid:
            with self._lock:
                self._turns[turn] = span
                while len(self._turns) > MAX_TURNS:
                    del self._turns[next(iter(self._turns))]

    def _turn(self, turn: str) -> "Context | None":
        """Return the context of the turn's first span, below which its other spans hang."""
        first = self._turns.get(turn)
        if first is None:
            return None
        return trace.set_span_in_context(trace.NonRecordingSpan(first))


def _set_outcome(span: Span, node: str, state: State, update: dict[str, Any]) -> None:
    """Set the attributes of a node's decision, answer and failure."""
    if node == "route_request":
        attributes = _proposal_attributes(update)
    else:
        attributes = _decision_attributes(update.get("decision") or state["decision"])
    span.set_attributes(_without_none(attributes))
    span.set_attributes(_without_none(_answer_attributes(node, update)))
    kind = _error_kind(node, update)
    if kind:
        _fail(span, kind)


def _span_name(node: str, task: Task | None, state: State) -> str:
    if task is None:
        return node
    return f"{_operation(task)} {_model(state)}"


def _operation(task: Task) -> str:
    return "generate_content" if task.output else "chat"


def _output_type(task: Task) -> str:
    """Return what the conventions call the output of a task."""
    if task.output is None:
        return "text"
    kind = task.output.mime_type.partition("/")[0]
    return "speech" if kind == "audio" else kind


def _model(state: State) -> str | None:
    decision = state["decision"]
    if decision is None:
        return None
    return decision["model"]


def _request_attributes(task: Task | None, state: State, settings: Settings) -> dict[str, Any]:
    """Return what is known before the call; samplers decide by it."""
    if task is None:
        return {}
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": _operation(task),
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": _model(state),
        "gen_ai.request.seed": settings.seed,
        "gen_ai.output.type": _output_type(task),
    }
    if task.output is None:
        temperature = settings.temperature
        if temperature is None:
            temperature = DEFAULT_TEMPERATURE
        attributes |= {
            "gen_ai.request.max_tokens": settings.max_new_tokens,
            "gen_ai.request.temperature": temperature,
            "gen_ai.request.top_p": settings.top_p,
        }
    return _without_none(attributes)


def _proposal_attributes(update: dict[str, Any]) -> dict[str, Any]:
    """Return what the router has proposed; the state still holds the last turn's decision."""
    attributes: dict[str, Any] = {"omni.decision.id": update["turn"], "omni.confidence": update["confidence"]}
    route = (update["proposal"] or {}).get("route")
    if route in update["candidates"]:  # a route that the policy lacks may be any text
        attributes["omni.route"] = route
    return attributes


def _decision_attributes(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {}
    attributes: dict[str, Any] = {"omni.decision.id": decision.get("id")}
    for name in ("route", "task", "model", "provider", "source", "confidence"):
        attributes[f"omni.{name}"] = decision.get(name)
    if decision.get("proposed_route") == OTHER:  # any other route that was not taken was made up by the router
        attributes["omni.proposed_route"] = OTHER
    return attributes


def _answer_attributes(node: str, update: dict[str, Any]) -> dict[str, Any]:
    if task_of(node) is None:
        return {}
    attempt = update["attempts"][-1]
    usage = attempt["usage"] or {}
    attributes = {
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "omni.provider": attempt["provider"],
        "omni.cost_usd": attempt["cost"],
        "omni.estimated_cost_usd": attempt["estimated_cost"],
    }
    if "messages" not in update:
        return attributes
    metadata = update["messages"][-1].response_metadata
    attributes["gen_ai.response.model"] = metadata.get("model_name")
    if finish_reason := metadata.get("finish_reason"):
        attributes["gen_ai.response.finish_reasons"] = [finish_reason]
    return attributes


def _error_kind(node: str, update: dict[str, Any]) -> str | None:
    """Return the kind of error that a call, or at last the turn, ended with."""
    error = update.get("error")
    if task_of(node):
        error = update["attempts"][-1]["error"]
    if error is None:
        return None
    return str(error["kind"])


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _without_none(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Remove unknown values: an attribute cannot be null."""
    return {name: value for name, value in attributes.items() if value is not None}
