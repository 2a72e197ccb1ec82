"""Counts of runs, as Prometheus metrics in a registry of their own.

Labels are what an operator acts on, and have few values: routes are the policy's, tasks, sources and kinds of error
this package's. Only counters have the model as a label, where a failing or an expensive one must be known by name; in a
histogram each model would add a dozen series. `ModelNames` limits their number.
"""

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any, get_args

from omni_router.config.settings import Settings
from omni_router.costs import brought_something
from omni_router.errors import missing_package
from omni_router.state import Attempt, Decision, Source, State
from omni_router.tasks import task_of
from omni_router.telemetry.observer import Run
from omni_router.telemetry.user_metrics import UserMetrics

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram
except ImportError as error:
    raise missing_package("metrics need prometheus_client", "observe") from error

MAX_MODELS = 100
OTHERS = "others"  # the label of all further models
NO_VALUE = "none"  # a label's value: to Prometheus an empty one is the same as no label

# Bounds of the buckets. The embedded router takes 15 ms, a large one some hundreds, and both some seconds the first
# time; a specialist takes from a second to the minutes of an image.
ROUTER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SPECIALIST_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


class ModelNames:
    """Which models are labels of their own: the first hundred that were candidates or have answered.

    A caller, or a message that names the model of a tool loop, may name anything.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    def label(self, model: str, *, known: bool) -> str:
        """Return the label of a model; `known` when it was a candidate or has answered."""
        if known and len(self._named) < MAX_MODELS:
            self._named.add(model)
        if model in self._named:
            return model
        return OTHERS


class _Bill:
    """Counts the tokens and the costs of calls."""

    def __init__(self, counter: Callable[..., Counter]) -> None:
        self._tokens = counter(
            "omni_tokens", "Tokens read (input) and written (output) by specialists.", "route", "model", "type"
        )
        self._cost = counter(
            "omni_router_cost_usd",
            "What specialists cost, in US dollars: by the usage they reported, or as an estimate where that or the "
            "price is not known.",
            *("route", "model", "basis"),
        )
        self._unknown_costs = counter(
            "omni_router_unknown_costs", "Answers of which not even an estimate of the cost is known.", "route", "model"
        )

    def add(self, route: str, model: str, attempt: Attempt) -> None:
        """Count a call."""
        if usage := attempt["usage"]:
            self._tokens.labels(route, model, "input").inc(usage["input_tokens"])
            self._tokens.labels(route, model, "output").inc(usage["output_tokens"])
        if attempt["cost"] is not None:
            self._cost.labels(route, model, "usage").inc(attempt["cost"])
        elif attempt["estimated_cost"] is not None:
            self._cost.labels(route, model, "estimate").inc(attempt["estimated_cost"])
        elif brought_something(attempt):
            self._unknown_costs.labels(route, model).inc()


class Metrics:
    """Counts the outcomes of the nodes of a run."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._models = ModelNames()
        self._decisions = self._counter("omni_decisions", "Turns decided.", "route", "source")
        self._confidence = self._histogram(
            "omni_confidence_ratio", "The router's confidence in its decisions.", SHARES, "route"
        )
        self._fallbacks = self._counter(
            "omni_fallbacks", "Turns that went on to another model, by how the previous one ended.", "route", "kind"
        )
        self._attempts = self._counter(
            "omni_attempts", "Calls of specialists, by how they ended.", "task", "model", "outcome"
        )
        self._unanswered = self._counter(
            "omni_unanswered", "Turns without an answer, by the error or the exception that ended them.", "kind"
        )
        self._bill = _Bill(self._counter)
        self.users = UserMetrics(self._counter)
        self._router = self._histogram(
            "omni_router_seconds", "From a request to the router's reply, candidates included.", ROUTER_SECONDS
        )
        self._specialist = self._histogram(
            "omni_specialist_seconds", "How long calls of specialists took.", SPECIALIST_SECONDS, "task", "outcome"
        )

    def wrap_node(self, node: str, state: State, settings: Settings, run: Run) -> dict[str, Any]:  # noqa: ARG002
        """Run a node, and count its outcome."""
        started = perf_counter()
        try:
            update = run()
        except Exception as error:
            self._unanswered.labels(type(error).__name__).inc()
            raise
        if node == "route_request" and update["reply"] is not None:
            self._router.observe(perf_counter() - started)
        elif node == "announce_decision":
            self._announced(state["decision"], state["attempts"])
        elif task_of(node):
            self._called(state, update)
        elif node == "explain":
            if not state["attempts"]:
                self._decided(state["decision"])
            self._unanswered.labels(update["error"]["kind"]).inc()
        return update

    def _announced(self, decision: Decision | None, attempts: list[Attempt]) -> None:
        if attempts and decision:
            self._fallbacks.labels(decision["route"], attempts[-1]["outcome"]).inc()
        else:
            self._decided(decision)

    def _decided(self, decision: Decision | None) -> None:
        if decision is None:
            self._decisions.labels(NO_VALUE, NO_VALUE).inc()
            return
        route, source = decision["route"] or NO_VALUE, decision["source"]
        if source not in get_args(Source):  # a tool loop reads it from a message, which may hold anything
            self._decisions.labels(route, NO_VALUE).inc()
        else:
            self._decisions.labels(route, source).inc()
        if decision["confidence"] is not None:
            self._confidence.labels(route).observe(decision["confidence"])

    def _called(self, state: State, update: dict[str, Any]) -> None:
        decision, attempt = state["decision"], update["attempts"][-1]
        if decision is None:
            raise AssertionError("a specialist node is reached only with a decision")
        task, outcome = decision["task"], attempt["outcome"]
        candidates = state["candidates"].get(str(decision["route"]), [])
        is_candidate = any(candidate["model"] == attempt["model"] for candidate in candidates)
        model = self._models.label(attempt["model"], known=is_candidate or outcome == "answered")
        self._attempts.labels(task, model, outcome).inc()
        self._specialist.labels(task, outcome).observe(attempt["seconds"])
        self._bill.add(str(decision["route"]), model, attempt)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, about, labels, buckets=bounds, registry=self.registry)


@cache
def process_metrics() -> Metrics:
    """Return the metrics of this process, which every graph with `OMNI_METRICS=1` adds to."""
    return Metrics()
