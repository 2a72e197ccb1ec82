"""The graph: wiring only, in the order of the picture. `graph` is what the LangGraph server loads."""

from collections.abc import Hashable
from importlib import import_module

from langgraph.graph import END, START, StateGraph

from omni_router.config.settings import Settings
from omni_router.edges import anything_untried, needs_retry, what_next, which_model, which_specialist
from omni_router.errors import ConfigurationError
from omni_router.nodes._threads import OnOwnThreads, Pool
from omni_router.services import Services
from omni_router.services.lazy import once
from omni_router.state import Input, Output, State
from omni_router.tasks import TASKS

Graph = StateGraph[State, Settings, Input, Output]


def build_graph(services: Services | None = None, settings: Settings = Settings()) -> Graph:  # noqa: B008 (frozen)
    """Wire the graph; the host compiles it, with its own checkpointer and store.

    Args:
        services: what the nodes work with; by default made from the environment when first used.
        settings: what holds when a run's context is no `Settings`, as in a parent graph with a context of its own.

    Raises:
        ConfigurationError: the first argument is not `Services`.
    """
    if services is not None and not isinstance(services, Services):
        raise ConfigurationError(
            f"the first argument of build_graph is Services, not {type(services).__name__}; "
            "give settings by name: build_graph(settings=Settings(...))"
        )
    made = (lambda: services) if services else once(Services.from_environment)
    specialists: dict[Hashable, str] = {name: task.node for name, task in TASKS.items()}
    graph = Graph(State, context_schema=Settings, input_schema=Input, output_schema=Output)

    for name in (
        "route_request",
        "validate_choice",
        "recall_model",
        "announce_decision",
        *specialists.values(),
        "record_outcome",
        "explain",
    ):
        function = getattr(import_module(f"omni_router.nodes.{name}"), name)
        pool: Pool = "specialists" if name in specialists.values() else "others"
        graph.add_node(name, OnOwnThreads(function, pool=pool, services=made, settings=settings))

    graph.add_edge(START, "route_request")
    graph.add_edge("route_request", "validate_choice")
    graph.add_conditional_edges("validate_choice", which_model)
    graph.add_conditional_edges("recall_model", anything_untried)
    graph.add_conditional_edges(
        "announce_decision",
        which_specialist,
        {**specialists, "routing only": "record_outcome"},
    )
    for node in specialists.values():
        graph.add_conditional_edges(node, needs_retry, {"retry": node, "ended": "record_outcome"})
    graph.add_conditional_edges("record_outcome", what_next, ["recall_model", "explain", END])
    graph.add_edge("explain", END)
    return graph


graph = build_graph().compile(name="omni_router")
