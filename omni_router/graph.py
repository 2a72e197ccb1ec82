"""The graph: its nodes, and the questions asked between them. `graph` is what the LangGraph server loads."""

from collections.abc import Callable, Hashable
from typing import Literal

from langgraph.graph import END, START, StateGraph

from omni_router.config.settings import Settings
from omni_router.error_kinds import ends_turn
from omni_router.errors import ConfigurationError
from omni_router.nodes._threads import Node, Pool, ThreadedNode
from omni_router.nodes.announce_decision import announce_decision
from omni_router.nodes.explain import explain
from omni_router.nodes.generate_image import generate_image
from omni_router.nodes.generate_text import generate_text
from omni_router.nodes.recall_model import recall_model
from omni_router.nodes.record_outcome import record_outcome
from omni_router.nodes.route_request import route_request
from omni_router.nodes.understand_image import understand_image
from omni_router.nodes.validate_choice import validate_choice
from omni_router.services import Services, lazy
from omni_router.state import Input, Output, State, models_in
from omni_router.tasks import TASKS

# The node of each entry of TASKS, by the name that the entry gives it: a new task adds its function here.
SPECIALISTS: dict[str, Node] = {
    "generate_text": generate_text,
    "generate_image": generate_image,
    "understand_image": understand_image,
}


class OmniGraph(StateGraph[State, Settings, Input, Output]):
    """The uncompiled graph, with what it was built from; a compiled one holds it as its `builder`."""

    settings: Settings  # the settings of a run whose context is not `Settings`

    def __init__(self, open_services: Callable[[], Services], settings: Settings) -> None:
        """Build a graph without nodes."""
        super().__init__(State, context_schema=Settings, input_schema=Input, output_schema=Output)
        self._open_services = open_services
        self.settings = settings

    @property
    def services(self) -> Services:
        """The services of the nodes; opened here if no run has used them yet."""
        return self._open_services()

    def add_specialist(self, name: str, function: Node) -> None:
        """Add a node that calls a model; its calls have threads of their own."""
        node = ThreadedNode(function, pool="specialists", services=self._open_services, settings=self.settings)
        self.add_node(name, node)

    def add_step(self, name: str, function: Node, pool: Pool = "others") -> None:
        """Add a node that calls no model."""
        node = ThreadedNode(function, pool=pool, services=self._open_services, settings=self.settings)
        self.add_node(name, node)


def build_graph(services: Services | None = None, settings: Settings = Settings()) -> OmniGraph:  # noqa: B008 (frozen)
    """Wire the graph; the host compiles it, with its own checkpointer and store.

    Args:
        services: what the nodes work with; by default opened from the environment when first used.
        settings: those of a run whose context is not `Settings`, as in a parent graph with a context of its own.

    Raises:
        ConfigurationError: the first argument is not `Services`.
    """
    if services is not None and not isinstance(services, Services):
        raise ConfigurationError(
            f"the first argument of build_graph is Services, not {type(services).__name__}; "
            "give settings by name: build_graph(settings=Settings(...))"
        )
    graph = OmniGraph(lazy(lambda: services or Services.from_environment()), settings)
    specialists: dict[Hashable, str] = {name: task.node for name, task in TASKS.items()}

    graph.add_step("route_request", route_request, pool="routing")
    graph.add_step("validate_choice", validate_choice)
    graph.add_step("recall_model", recall_model)
    graph.add_step("announce_decision", announce_decision)
    for node in dict.fromkeys(specialists.values()):
        graph.add_specialist(node, SPECIALISTS[node])
    graph.add_step("record_outcome", record_outcome)
    graph.add_step("explain", explain)

    graph.add_edge(START, "route_request")
    graph.add_edge("route_request", "validate_choice")
    graph.add_conditional_edges("validate_choice", which_model)
    graph.add_conditional_edges("recall_model", anything_untried)
    graph.add_conditional_edges(
        "announce_decision", which_specialist, {**specialists, "routing only": "record_outcome"}
    )
    for node in dict.fromkeys(specialists.values()):
        graph.add_conditional_edges(node, needs_retry, {"retry": node, "ended": "record_outcome"})
    graph.add_conditional_edges("record_outcome", what_next, ["recall_model", "explain", END])
    graph.add_edge("explain", END)
    return graph


# The questions read the state alone: LangGraph asks them without a runtime when a checkpoint is edited
# (`update_state`). Each answer is a node, or a word of a map above.


def which_model(state: State) -> Literal["announce_decision", "recall_model", "explain"]:
    """Return where to go with a choice that names a model, or only a route, or neither."""
    decision = state["decision"]
    if decision is None or decision["task"] is None:
        return "explain"
    if decision["model"]:
        return "announce_decision"
    return "recall_model"


def anything_untried(state: State) -> Literal["announce_decision", "explain"]:
    """Return where to go after recalling: on with the model, if there was one that this turn has not called yet."""
    decision = state["decision"]
    if decision and decision["model"] and decision["model"] not in models_in(state["attempts"]):
        return "announce_decision"
    return "explain"


def which_specialist(state: State) -> str:
    """Return the task to be done, or that only routing was asked for."""
    decision = state["decision"]
    if state.get("routing_only") or decision is None or decision["task"] is None:
        return "routing only"
    return decision["task"]


def needs_retry(state: State) -> Literal["retry", "ended"]:
    """Return whether this was the model's first StopIteration: the client's list of its providers may be stale."""
    if not state["attempts"]:
        return "ended"
    *before, last = state["attempts"]
    stopped = last["error"] is not None and last["error"]["cause"] == "StopIteration"
    if stopped and last["model"] not in models_in(before):
        return "retry"
    return "ended"


def what_next(state: State) -> Literal["recall_model", "explain", "__end__"]:
    """Return whether the turn is done, another model may do better, or the caller has to act."""
    if not state["attempts"]:
        return "__end__"
    last = state["attempts"][-1]
    if last["error"] is None:
        return "__end__"
    # An answer that the user has begun to read is not started over by another model.
    if last["partial"] or ends_turn(last["error"]) or not state.get("models_left", 0):
        return "explain"
    return "recall_model"


graph = build_graph().compile(name="omni_router")
