"""What the graph costs around router and specialist: against its nodes called by hand, and a bare graph of its shape.

python -m benchmarks.overhead
"""

import asyncio
import json
import logging
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables.config import set_config_context
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from benchmarks.report import in_turns, ms, quantile, ratio, spread, table, write_section
from omni_router import Services, Settings, build_graph, sandbox
from omni_router.artifacts import ArtifactFolder
from omni_router.config.records import read_record
from omni_router.config.route_file import RouteFile
from omni_router.history import Cooling, ModelRecord, UsageRecord
from omni_router.history.usage import apply_usage
from omni_router.hub.catalog import HubCatalog
from omni_router.nodes.announce_decision import announce_decision
from omni_router.nodes.generate_text import generate_text
from omni_router.nodes.record_outcome import record_outcome
from omni_router.nodes.route_request import route_request
from omni_router.nodes.validate_choice import validate_choice
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.state import Input, Output, State

ROUNDS = 300
MODEL = "sandbox/text-generation-1"
NODES = (route_request, validate_choice, announce_decision, generate_text, record_outcome)
LIMITS = {"invoke": 0.003, "ainvoke": 0.007}  # seconds over the nodes by hand


class Instant:
    """A router, a specialist and a history that take no time: what is left is the graph."""

    def __init__(self) -> None:
        self._models: dict[str, list[Any]] = {}

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Choose the same route and model each time."""
        return Reply(json.dumps({"route": "question_answering", "model": MODEL, "reason": "a benchmark"}), 0.9)

    def chat(self, model: str, provider: str | None, messages: object, settings: Settings) -> AIMessage:
        """Answer the same each time."""
        return AIMessage("an answer")

    def models(self, route: str) -> list[ModelRecord]:
        """Return what was recorded."""
        return [record for entry in self._models.get(route, []) if (record := read_record(entry))]

    def cooling(self) -> Mapping[str, Sequence[Cooling]]:
        """Return nothing."""
        return {}

    def examples(self, route: str) -> Sequence[str]:
        """Return nothing."""
        return ()

    def record(self, use: UsageRecord) -> str | None:
        """Keep it in memory."""
        apply_usage(self._models.setdefault(use.route, []), use)
        return "memory"


def instant_services(folder: Path) -> Services:
    """Make services with a router, a specialist and a history that take no time."""
    instant: Any = Instant()
    return Services(
        router=instant,
        policy=RouteFile(folder / "route_config.json"),
        history=instant,
        catalog=HubCatalog(),
        inference=instant,
        artifacts=ArtifactFolder(folder),
    )


def by_hand(services: Services) -> Any:
    """Call the node functions one after the other, as the graph would."""
    settings = Settings()

    def call() -> State:
        state: Any = {"messages": [HumanMessage("How do tides work?")]}
        with set_config_context({"configurable": {"__pregel_runtime": Runtime()}}) as context:  # for the event writer
            for node in NODES:
                state |= context.run(node, state, settings, services)
        return state  # type: ignore[no-any-return]

    return call


def bare_graph() -> Any:
    """Make a graph of the same state, with as many plain nodes and conditional edges, that does nothing."""
    graph: StateGraph[State, Settings, Input, Output] = StateGraph(
        State, context_schema=Settings, input_schema=Input, output_schema=Output
    )
    names = [node.__name__ for node in NODES]
    for name in names:
        graph.add_node(name, lambda _: {"error": None})
    graph.add_edge(START, names[0])
    graph.add_edge(names[0], names[1])
    for name, following in zip(names[1:], [*names[2:], END], strict=True):
        graph.add_conditional_edges(name, lambda _, to=following: to, [following])
    return graph.compile()


def measure() -> str:
    """Measure both forms of call, and write the section."""
    logging.disable(logging.WARNING)
    with sandbox(), tempfile.TemporaryDirectory() as folder:
        services = instant_services(Path(folder))
        graph, bare, hand = build_graph(services).compile(), bare_graph(), by_hand(services)
        given: Any = {"messages": [HumanMessage("How do tides work?")]}
        loop = asyncio.new_event_loop()
        times = in_turns(
            {
                "hand": hand,
                "bare invoke": lambda: bare.invoke(given),
                "invoke": lambda: graph.invoke(given),
                "bare ainvoke": lambda: loop.run_until_complete(bare.ainvoke(given)),
                "ainvoke": lambda: loop.run_until_complete(graph.ainvoke(given)),
            },
            ROUNDS,
        )
        loop.close()
    rows = []
    for form, limit in LIMITS.items():
        over = [whole - hand for whole, hand in zip(times[form], times["hand"], strict=True)]
        met = "yes" if statistics.median(over) <= limit else "no"
        rows.append(
            [
                f"`{form}`",
                *(spread(times[name]) for name in ("hand", f"bare {form}", form)),
                f"{spread(over)}, p99 {ms(quantile(over, 0.99))}",
                ratio(times[form], times[f"bare {form}"]),
                f"{ms(limit)}: {met}",
            ]
        )
    head = ["call", "nodes by hand", "bare graph", "this graph", "over the nodes by hand", "to the bare graph", "limit"]
    return (
        "A run of five nodes with a router, a specialist and a history that take no time, the catalog in memory.\n\n"
        + table(head, rows)
    )


if __name__ == "__main__":
    write_section("Overhead of the graph", measure())
