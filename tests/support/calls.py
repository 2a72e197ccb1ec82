"""The four forms in which a graph is called, and what a run went through."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from omni_router import Settings, user_message

Compiled: TypeAlias = Any  # what LangGraph's overloads say of a list of stream modes suits no test
Call = Callable[[Compiled, dict[str, Any], Settings | None], dict[str, Any]]


def invoke(graph: Compiled, state: dict[str, Any], context: Settings | None) -> dict[str, Any]:
    return dict(graph.invoke(state, context=context))


def ainvoke(graph: Compiled, state: dict[str, Any], context: Settings | None) -> dict[str, Any]:
    return asyncio.run(graph.ainvoke(state, context=context))


def stream(graph: Compiled, state: dict[str, Any], context: Settings | None) -> dict[str, Any]:
    *_, last = graph.stream(state, context=context, stream_mode="values")
    return dict(last)


def astream(graph: Compiled, state: dict[str, Any], context: Settings | None) -> dict[str, Any]:
    async def last() -> Any:
        return [chunk async for chunk in graph.astream(state, context=context, stream_mode="values")][-1]

    return dict(asyncio.run(last()))


FORMS = (invoke, ainvoke, stream, astream)


def ask(text: str, image: str | None = None) -> Any:
    return {"messages": [user_message(text, image)]}


def path(graph: Compiled, state: dict[str, Any], context: Settings | None = None) -> list[str]:
    """The nodes a run goes through, in order."""
    nodes = [node for chunk in graph.stream(state, context=context, stream_mode="updates") for node in chunk]
    return ["__start__", *nodes, "__end__"]
