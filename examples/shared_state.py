"""The graph as a node of a parent that shares keys with it: what it writes there is the parent's from then on.

Shared are the keys of its output that the parent has too: here `messages`, `decision` and `error`. A key of the
parent's own with such a name would be overwritten; in_a_larger_agent.py keeps the two apart.

    OMNI_SANDBOX=1 python examples/shared_state.py
"""

from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from omni_router import Decision, build_graph


class Desk(TypedDict, total=False):
    """The parent's state."""

    messages: Annotated[list[AnyMessage], add_messages]
    decision: Decision | None  # omni -> sign
    error: Any  # omni -> sign
    answered: int  # the parent's own: sign -> the next turn


def sign(desk: Desk) -> Desk:
    """Add who answered, from what the router left in the shared keys."""
    decision = desk.get("decision")
    who = decision["model"] if decision and not desk.get("error") else "nobody"
    return {"messages": [AIMessage(f"(answered by {who})")], "answered": desk.get("answered", 0) + (who != "nobody")}


parent = StateGraph(Desk)
parent.add_node("omni", build_graph().compile())
parent.add_node("sign", sign)
parent.add_edge(START, "omni")
parent.add_edge("omni", "sign")
parent.add_edge("sign", END)
desk = parent.compile()

state: Desk = {"messages": [HumanMessage("How do tides work?")], "answered": 0}

# The router is a subgraph: its tokens and events come with subgraphs=True alone, each with the path to it.
for space, mode, part in desk.stream(state, stream_mode=["custom", "messages", "values"], subgraphs=True):
    where = space[0].partition(":")[0] if space else "desk"
    if mode == "custom" and part["event"] == "decision":
        print(f"[{where}] {part['decision']['route']} -> {part['decision']['model']}")
    elif mode == "messages" and where == "omni":
        print(part[0].text, end="", flush=True)
    elif mode == "values" and not space:
        state = part

print()
print(state["messages"][-1].text)
print(f"answered: {state['answered']}")
