"""The chunks that a call of a specialist streams to the run around it."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk, AnyMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from omni_router import Settings
from omni_router.hub.client import HubInference


def streamed_chunks(
    inference: HubInference,
    model: str,
    messages: Sequence[AnyMessage],
    settings: Settings = Settings(),  # noqa: B008 (frozen)
) -> list[AIMessageChunk]:
    """Call a model in a graph of one node, as LangGraph streams it."""

    def answer(state: Any) -> Any:
        return {"messages": [inference.chat(model, None, state["messages"], settings)]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    parts: Any = graph.compile().stream({"messages": list(messages)}, stream_mode="messages")
    return [chunk for chunk, _ in parts if isinstance(chunk, AIMessageChunk)]
