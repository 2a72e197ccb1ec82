"""Spans of a run, through the OpenTelemetry API: the host brings the SDK, and without one they cost next to nothing.

The names beginning with `gen_ai.` are those of the semantic conventions for generative AI. They are written out here
because the package that holds them marks each as moved to a repository of its own, from which no package is made yet.
Nothing that anybody wrote goes into a span: no prompt, answer, reason or error message, and no token.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omni_router import __version__
from omni_router.config.settings import Settings
from omni_router.errors import missing_package
from omni_router.state import State
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
PROVIDER = "hugging_face"  # who is called; who computes is omni.provider
MAX_TURNS = 1_000  # under way at once and without a span of the caller, before the oldest loses its trace


class Tracing:
    """A span for each node, below the caller's current one; for a specialist in the words of the conventions.

    Where the caller has no span, `route_request` begins a trace and the turn's other spans hang below it.
    """

    def __init__(self, provider: "trace.TracerProvider | None" = None) -> None:
        """Take a tracer provider, else the global one, which may be set later."""
        self._tracer = trace.get_tracer("omni_router", __version__, provider)
        self._turns: dict[str, trace.SpanContext] = {}
        self._lock = threading.Lock()

    def wrap_node(self, node: str, state: State, settings: Settings, run: Run) -> dict[str, Any]:
        """Run a node within its span."""
        if node in SILENT:
            return run()
        alone = not trace.get_current_span().get_span_context().is_valid
        with self._tracer.start_as_current_span(
            _name(node, state),
            context=self._turn(state["turn"]) if alone and node != "route_request" else None,
            kind=SpanKind.CLIENT if task_of(node) else SpanKind.INTERNAL,
            attributes=_given(node, state, settings),
            record_exception=False,  # its message may hold what somebody wrote
            set_status_on_exception=False,
        ) as span:
            try:
                update = run()
            except Exception as error:
                _fail(span, type(error).__qualname__)
                raise
            span.set_attributes(_known({**_decided(node, state, update), **_answered(node, update)}))
            if kind := _error(node, update):
                _fail(span, kind)
            if alone and node == "route_request":
                self._begin(update["turn"], span.get_span_context())
            return update

    def _begin(self, turn: str, span: trace.SpanContext) -> None:
        if span.is_valid:
            with self._lock:
                self._turns[turn] = span
                while len(self._turns) > MAX_TURNS:
                    del self._turns[next(iter(self._turns))]

    def _turn(self, turn: str) -> "Context | None":
        first = self._turns.get(turn)
        return trace.set_span_in_context(trace.NonRecordingSpan(first)) if first else None


def _name(node: str, state: State) -> str:
    task = task_of(node)
    return f"{_operation(task)} {_model(state)}" if task else node


def _operation(task: Task) -> str:
    return "generate_content" if task.output else "chat"


def _output_type(task: Task) -> str:
    """Return what the conventions call the output of a task."""
    kind = task.output.mime_type.partition("/")[0] if task.output else "text"
    return "speech" if kind == "audio" else kind


def _model(state: State) -> str | None:
    return state["decision"]["model"] if state["decision"] else None


def _given(node: str, state: State, settings: Settings) -> dict[str, Any]:
    """Give what is known of a call before it is made: what a sampler decides by."""
    task = task_of(node)
    if task is None:
        return {}
    said: dict[str, Any] = {
        "gen_ai.operation.name": _operation(task),
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": _model(state),
        "gen_ai.request.seed": settings.seed,
        "gen_ai.output.type": _output_type(task),
    }
    if task.output is None:
        said |= {
            "gen_ai.request.max_tokens": settings.max_new_tokens,
            "gen_ai.request.temperature": settings.temperature,
            "gen_ai.request.top_p": settings.top_p,
        }
    return _known(said)


def _decided(node: str, state: State, update: dict[str, Any]) -> dict[str, Any]:
    if node == "route_request":  # the state still holds the last turn's decision
        proposed = (update["proposal"] or {}).get("route")
        return {
            "omni.decision.id": update["turn"],
            "omni.route": proposed if proposed in update["candidates"] else None,  # else it is anything
            "omni.confidence": update["confidence"],
        }
    decision = update.get("decision") or state["decision"] or {}
    names = ("route", "task", "model", "provider", "source", "confidence")
    proposed = decision.get("proposed_route")
    return {
        "omni.decision.id": decision.get("id"),
        "omni.proposed_route": OTHER if proposed == OTHER else None,  # whatever else it is, the router made it up
        **{f"omni.{name}": decision.get(name) for name in names},
    }


def _answered(node: str, update: dict[str, Any]) -> dict[str, Any]:
    if task_of(node) is None or "messages" not in update:
        return {}
    message = update["messages"][-1]
    usage, said = message.usage_metadata or {}, message.response_metadata
    finish = said.get("finish_reason")
    return {
        "gen_ai.response.model": said.get("model_name"),
        "gen_ai.response.finish_reasons": [finish] if finish else None,
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
    }


def _error(node: str, update: dict[str, Any]) -> str | None:
    """Give the kind of error that a call, or at last the turn, ended with."""
    told = update["attempts"][-1]["error"] if task_of(node) else update.get("error")
    return str(told["kind"]) if told else None


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: an attribute has no null."""
    return {name: value for name, value in attributes.items() if value is not None}
