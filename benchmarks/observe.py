"""What spans and metrics cost a run, and that they cost nothing while they are off.

python -m benchmarks.observe
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.runtime import get_runtime
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.overhead import instant_services
from benchmarks.report import in_turns, ratio, spread, table, write_section
from omni_router import Services, build_graph, sandbox
from omni_router.config.settings import resolve_settings
from omni_router.nodes._threads import ThreadedNode
from omni_router.state import State
from omni_router.telemetry.metrics import Metrics
from omni_router.telemetry.observer import CompositeObserver, Observer
from omni_router.telemetry.tracing import Tracing

ROUNDS = 400


class Nowhere(SpanExporter):
    """Takes spans and drops them: what is left is the cost of making them."""

    def export(self, spans: Any) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


class WithoutHook(ThreadedNode):
    """Runs a node as if nobody could watch it."""

    def _call(self, state: State) -> dict[str, Any]:
        return self.node(state, resolve_settings(get_runtime().context, self.settings), self.services())


def hookless(services: Services) -> Any:
    """Build the graph with nodes that have no hook."""
    graph = build_graph(services)
    for spec in graph.nodes.values():
        spec.runnable.__class__ = WithoutHook
    return graph.compile()


def contestants(services: Services, provider: TracerProvider) -> dict[str, Any]:
    """Make the graphs that are compared; the first is what the others are measured by, the second its own twin."""
    watched: dict[str, Observer | None] = {
        "off, as by default": None,
        "spans, no SDK": Tracing(),
        "spans, SDK": Tracing(provider),
        "metrics": Metrics(),
        "spans, SDK, and metrics": CompositeObserver(Tracing(provider), Metrics()),
    }
    return {
        "no hook": hookless(services),
        "no hook, once more": hookless(services),
        **{name: build_graph(replace(services, observer=observer)).compile() for name, observer in watched.items()},
    }


def measure() -> str:
    """Measure both forms of call, and write the section."""
    logging.disable(logging.WARNING)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    rows = []
    with sandbox(), tempfile.TemporaryDirectory() as folder:
        services = instant_services(Path(folder))
        graphs = contestants(services, provider)
        given: Any = {"messages": [HumanMessage("How do tides work?")]}
        loop = asyncio.new_event_loop()
        forms: dict[str, Callable[[Any], Callable[[], object]]] = {
            "invoke": lambda graph: lambda: graph.invoke(given),
            "ainvoke": lambda graph: lambda: loop.run_until_complete(graph.ainvoke(given)),
        }
        for form, calling in forms.items():
            times = in_turns({name: calling(graph) for name, graph in graphs.items()}, ROUNDS, clock=time.process_time)
            first = times["no hook"]
            rows += [[f"`{form}`", name, spread(taken), ratio(taken, first)] for name, taken in times.items()]
        loop.close()
    provider.shutdown()
    return (
        "A run of five nodes with a router, a specialist and a history that take no time, in seconds of this process's "
        "CPUs: nothing here waits, and the machine is shared. `no hook` is the graph whose nodes do not check for an "
        "observer; the same graph once more shows how much the machine's own noise changes a ratio.\n\n"
        + table(["call", "watched by", "CPU a run", "to no hook"], rows)
    )


if __name__ == "__main__":
    write_section("Spans and metrics", measure())
