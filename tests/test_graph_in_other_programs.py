"""The graph inside other programs: calls from many threads, and a parent graph with a state and context of its own."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.nodes import _threads as threads
from omni_router.routers import Reply, RouteOption, Turn
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

TEXT = "sandbox/text-generation-1"


class ParentState(TypedDict, total=False):
    question: str
    answer: str
    model: str
    attempts: str  # a key the router has too, with another meaning


@dataclass
class ParentContext:
    user: str


def parent(services: Services) -> Any:
    router = build_graph(services, Settings(max_models=2)).compile()

    def answer(state: ParentState, runtime: Runtime[ParentContext]) -> ParentState:
        result = router.invoke({"messages": [HumanMessage(f"{runtime.context.user}: {state['question']}")]})
        return {"answer": result["messages"][-1].text, "model": result["decision"]["model"]}

    graph = StateGraph(ParentState, context_schema=ParentContext)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def test_a_parent_with_another_state_and_context_keeps_its_own_keys(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    result = parent(services).invoke({"question": "why?", "attempts": "mine"}, context=ParentContext("ada"))
    assert result["attempts"] == "mine"
    assert result["model"] == TEXT
    assert "ada: why?" in result["answer"]


def test_a_parents_foreign_context_leaves_the_settings_given_to_build_graph(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    """As a subgraph the router is handed the parent's context object, whatever its type."""
    router.choose("question_answering", TEXT)
    sandbox.fail("overloaded_503", times=10)

    class Shared(TypedDict, total=False):
        messages: Any
        attempts: Any
        error: Any

    graph = StateGraph(Shared, context_schema=ParentContext)
    graph.add_node("omni", build_graph(services, Settings(max_models=2)).compile())
    graph.add_edge(START, "omni")
    result = graph.compile().invoke(ask("why?"), context=ParentContext("ada"))
    assert len(result["attempts"]) == 2


def test_parent_sees_tokens_and_events_with_subgraphs(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    seen = list(
        parent(services).stream(
            {"question": "why?"},
            context=ParentContext("ada"),
            stream_mode=["messages", "custom"],
            subgraphs=True,
        )
    )
    modes = [mode for _, mode, _ in seen]
    assert modes[0] == "custom"
    assert modes.count("messages") > 3


def test_slow_specialists_do_not_wait_for_each_other(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    """Asyncio's own pool has six threads on two cores: twenty-four half-second calls would take two seconds."""
    router.choose("question_answering", TEXT)
    graph = build_graph(services).compile()
    graph.invoke(ask("warm up"))
    sandbox.latency = 0.5

    async def all_at_once() -> None:
        await asyncio.gather(*(graph.ainvoke(ask(f"why {n}?")) for n in range(24)))

    names: set[str] = set()
    original = services.inference.chat

    def chat(*args: Any) -> Any:
        names.add(threading.current_thread().name)
        return original(*args)

    object.__setattr__(services.inference, "chat", chat)
    asyncio.run(all_at_once())
    assert len(names) == 24
    assert all(name.startswith("omni-router") for name in names)


def test_two_runs_at_once_keep_their_states_apart(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    graph = build_graph(services).compile()

    async def both() -> Any:
        return await asyncio.gather(*(graph.ainvoke(ask(f"number {n}?")) for n in range(10)))

    for n, result in enumerate(asyncio.run(both())):
        assert f"number {n}?" in result["messages"][-1].text
        assert len(result["attempts"]) == 1


def test_importing_the_graph_loads_no_model_library() -> None:
    import subprocess
    import sys

    code = "import sys, omni_router.graph; print([m for m in ('torch', 'transformers', 'PIL') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_run_is_routed_while_all_threads_for_specialists_are_taken(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = {name: ThreadPoolExecutor(1) for name in ("routing", "specialists", "others")}
    monkeypatch.setattr(threads, "thread_pool", pools.__getitem__)
    router.choose("question_answering", TEXT)
    graph = build_graph(services).compile()
    sandbox.latency = 3

    async def both() -> None:
        slow = asyncio.create_task(graph.ainvoke(ask("why?")))
        while not any(record.method == "POST" for record in sandbox.requests):  # noqa: ASYNC110 (another thread's)
            await asyncio.sleep(0.01)
        routed = await graph.ainvoke(ask("why?"), context=Settings(skip_specialists=True))
        assert routed["decision"]["model"] == TEXT
        assert not slow.done()
        assert (await slow)["error"] is None

    asyncio.run(both())


class WaitsForACall(ScriptedRouter):
    """Replies to all but the first request only when a model was called."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox, self.waited_in_vain = sandbox, False

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        reply = super().reply(conversation, routes)
        deadline = time.monotonic() + 5
        while len(self.asked) > 1 and not any(record.method == "POST" for record in self.sandbox.requests):
            if time.monotonic() > deadline:
                self.waited_in_vain = True
                break
            time.sleep(0.01)
        return reply


def test_a_run_calls_its_model_while_others_wait_to_be_routed(
    services: Services, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = {name: ThreadPoolExecutor(1) for name in ("routing", "specialists", "others")}
    monkeypatch.setattr(threads, "thread_pool", pools.__getitem__)
    router = WaitsForACall(sandbox)
    router.choose("question_answering", TEXT)
    graph = build_graph(replace(services, router=router)).compile()

    async def all_at_once() -> None:
        results = await asyncio.gather(*(graph.ainvoke(ask(f"number {n}?")) for n in range(4)))
        assert [result["error"] for result in results] == [None] * 4

    asyncio.run(all_at_once())
    assert not router.waited_in_vain
