"""Each example, run as a script in this process, and what a parent sees of the graph inside it."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.graph import END, START, MessagesState, StateGraph

from omni_router import Services, build_graph
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def run(
    semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run an example with the router that is loaded already, and return what it prints."""
    monkeypatch.setenv("OMNI_SANDBOX", "1")
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    # The packaged graph opens its services once a process, and the sandbox with them, which ends with a test.
    monkeypatch.setattr("omni_router.graph.graph", build_graph().compile(name="omni_router"))

    def run(name: str) -> str:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("quickstart", ["question_answering -> sandbox/text-generation-", "[sandbox] Simulated answer"]),
        ("streaming", ["creative_writing -> sandbox/text-generation-", "lighthouse"]),
        ("testing_an_agent", ["rate_limited", "answered"]),
        ("in_a_larger_agent", ["'question': 'How do tides work?'", "Ada asks", "'answered_by': 'sandbox/"]),
        (
            "agent",
            [
                "[tool: It rains in Reykjavik.]",
                "the tool loop stays with its model]",
                "the tool answered “It rains in Reykjavik.”",
                "[creative_writing -> sandbox/text-generation-",
            ],
        ),
        (
            "shared_state",
            [
                "[omni] question_answering -> sandbox/text-generation-1\n[sandbox] Simulated answer",
                "(answered by sandbox/text-generation-1)",
                "answered: 1",
            ],
        ),
        (
            "supervisor",
            [
                "worker: ledger\n  120 are booked to travel.",
                "route: image_generation, model: sandbox/text-to-image-1\n  The image is saved as ",
                "route: question_answering, model: sandbox/text-generation-1",
            ],
        ),
    ],
)
def test_an_example_prints_what_it_is_about(name: str, texts: list[str], run: Callable[[str], str]) -> None:
    output = run(name)
    for text in texts:
        assert text in output
    assert output.count("[sandbox] Simulated answer") <= len(texts), "no token is shown twice"


def test_a_person_approves_changes_or_refuses_a_decision(run: Callable[[str], str]) -> None:
    fox, tides, rain, pirate = run("human_approval").split("> ")[1:]
    assert "The person" not in fox
    assert "The image is saved as " in fox
    assert "costs up to $0.80 for a million tokens. The person says: approve\n  [sandbox] Simulated answer" in tides
    assert "image_generation? the router is only" in rain
    assert "says: creative_writing\n  creative_writing? sandbox/text-generation-1 costs" in rain
    assert "Simulated answer of sandbox/text-generation-1: you wrote “Rain in Rome, three lines”" in rain
    assert pirate.strip().endswith("The person says: refuse\n  (refused: no model was called)")


def test_every_example_is_run() -> None:
    tested = {name for name, _ in _parameters()} | {"human_approval"}
    assert tested == {path.stem for path in EXAMPLES.glob("*.py")}


def _parameters() -> Any:
    [mark] = test_an_example_prints_what_it_is_about.pytestmark  # type: ignore[attr-defined]
    return mark.args[1]


# ---- what a parent has to pass


def node_function(services: Services) -> Any:
    omni = build_graph(services).compile()

    def answer(state: MessagesState) -> Any:
        return {"messages": omni.invoke({"messages": state["messages"]})["messages"]}

    return answer


@pytest.mark.parametrize("make", [lambda services: build_graph(services).compile(), node_function])
def test_a_parent_sees_tokens_and_events_of_the_graph_with_subgraphs_alone(
    make: Any, services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering")
    graph = StateGraph(MessagesState)
    graph.add_node("omni", make(services))
    graph.add_edge(START, "omni")
    graph.add_edge("omni", END)
    parent = graph.compile()

    alone: list[Any] = list(parent.stream(ask("How do tides work?"), stream_mode=["custom", "messages"]))
    assert not [part for mode, part in alone if mode == "custom"]
    assert not [part for mode, part in alone if mode == "messages" and isinstance(part[0], AIMessageChunk)]

    whole: list[Any] = list(
        parent.stream(ask("How do tides work?"), stream_mode=["custom", "messages"], subgraphs=True)
    )
    inside = [(mode, part) for space, mode, part in whole if space]
    assert [part["event"] for mode, part in inside if mode == "custom"] == ["decision", "recorded"]
    tokens = [part[0].text for mode, part in inside if mode == "messages" and isinstance(part[0], AIMessageChunk)]
    assert "".join(tokens).count("[sandbox]") == 1
