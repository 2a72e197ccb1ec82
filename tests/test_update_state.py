"""Editing, forking and resuming at every checkpoint of a finished turn, as Studio and the SDKs do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

TEXT, TEXT2 = "sandbox/text-generation-1", "sandbox/text-generation-2"
THREAD: Any = {"configurable": {"thread_id": "thread"}}

# How a turn went: a fault, settings, and the nodes it walked.
TURNS: dict[str, tuple[str, Settings]] = {
    "answered": ("", Settings()),
    "answered after a fallback": ("overloaded_503", Settings()),
    "failed": ("payment_402", Settings()),
    "routed only": ("", Settings(skip_specialists=True)),
    "refused": ("", Settings(fallback_route="none")),
}


@pytest.fixture
def walked(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> Callable[[str], tuple[Any, Settings]]:
    """Run a turn, and return its graph and settings."""

    def walk(name: str) -> tuple[Any, Settings]:
        fault, settings = TURNS[name]
        write_policy(question_answering=[TEXT, TEXT2])
        router.choose("other" if name == "refused" else "question_answering", TEXT)
        if fault:
            sandbox.fail(fault, model=TEXT)
        graph = build_graph(services).compile(InMemorySaver())
        graph.invoke(ask("How do tides work?"), THREAD, context=settings)
        return graph, settings

    return walk


def edits(values: dict[str, Any]) -> list[dict[str, Any] | None]:
    """What a user may write into a state: nothing, another message, another decision."""
    decision = values.get("decision")
    another = [{"decision": {**decision, "model": TEXT2}}] if decision and decision["model"] else []
    return [None, {"messages": [{"role": "user", "content": "And why twice a day?"}]}, *another]


@pytest.mark.parametrize("name", TURNS)
def test_every_checkpoint_can_be_edited_and_resumed(name: str, walked: Callable[[str], tuple[Any, Settings]]) -> None:
    graph, settings = walked(name)
    snapshots = list(graph.get_state_history(THREAD))
    assert len(snapshots) > 4
    for snapshot in snapshots:
        for edit in edits(snapshot.values):
            fork = graph.update_state(snapshot.config, edit)
            if not graph.get_state(fork).values["messages"]:
                continue  # nothing was asked yet: there is nothing to resume
            result = graph.invoke(None, fork, context=settings)
            assert result["decision"]["id"]
            assert not graph.get_state(THREAD).next, "the turn went on to its end"


def test_an_edited_decision_is_what_is_called(walked: Callable[[str], tuple[Any, Settings]]) -> None:
    graph, _ = walked("answered")
    before = next(s for s in graph.get_state_history(THREAD) if s.next == ("generate_text",))
    fork = graph.update_state(before.config, {"decision": {**before.values["decision"], "model": TEXT2}})
    result = graph.invoke(None, fork)
    assert [attempt["model"] for attempt in result["attempts"]] == [TEXT2]


def test_a_new_message_after_the_turn_starts_the_next_one(walked: Callable[[str], tuple[Any, Settings]]) -> None:
    graph, _ = walked("answered")
    graph.update_state(THREAD, {"messages": [{"role": "user", "content": "And why twice a day?"}]})
    fork = graph.update_state(THREAD, {}, as_node="__start__")
    assert graph.get_state(fork).next == ("route_request",)
    assert "twice a day" in graph.invoke(None, fork)["messages"][-1].text
