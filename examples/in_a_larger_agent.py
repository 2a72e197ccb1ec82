"""Embed the graph in a parent with another state and another context.

The router is called in a node function, so that its keys (`attempts`, `error`, ...) cannot overwrite the parent's.
"""

from dataclasses import dataclass

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from omni_router import Settings, build_graph, sandbox, user_message

omni = build_graph(settings=Settings(max_models=2)).compile()


@dataclass
class Session:
    """The parent's own context."""

    user: str


class Ticket(TypedDict, total=False):
    """The parent's own state."""

    question: str
    answer: str
    answered_by: str


def answer(ticket: Ticket, runtime: Runtime[Session]) -> Ticket:
    """Ask the router and keep what this agent needs of the result."""
    result = omni.invoke({"messages": [user_message(f"{runtime.context.user} asks: {ticket['question']}")]})
    return {"answer": result["messages"][-1].text, "answered_by": result["decision"]["model"]}


parent = StateGraph(Ticket, context_schema=Session)
parent.add_node("answer", answer)
parent.add_edge(START, "answer")
parent.add_edge("answer", END)

with sandbox():
    print(parent.compile().invoke({"question": "How do tides work?"}, context=Session("Ada")))
