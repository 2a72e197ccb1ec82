"""Runs on the dev server: every stream mode, assistants with settings of their own, threads with pictures."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph_sdk.client import SyncLangGraphClient

from omni_router import Settings
from omni_router.events import DecisionMade, Finished, Recorded, RouterReplied, RunEvent, Token
from omni_router.ui.remote import ServerBackend
from tests.support.pictures import DOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION = "Who discovered penicillin?"
MODES = ["values", "updates", "messages", "messages-tuple", "custom", "events", "debug", "tasks", "checkpoints"]


def asking(text: str, picture: str | None = None) -> dict[str, Any]:
    if picture is None:
        return {"messages": [{"role": "user", "content": text}]}
    blocks = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": picture}}]
    return {"messages": [{"role": "user", "content": blocks}]}


def stream(sdk: SyncLangGraphClient, *modes: str, text: str = QUESTION) -> list[Any]:
    thread = sdk.threads.create()["thread_id"]  # only a thread has checkpoints
    requested_modes: Any = list(modes)
    return list(sdk.runs.stream(thread, "omni_router", input=asking(text), stream_mode=requested_modes))


@pytest.mark.parametrize("mode", MODES)
def test_every_stream_mode_streams(sdk: SyncLangGraphClient, mode: str) -> None:
    events = [part.event for part in stream(sdk, mode)]
    expected = {"messages-tuple": "messages", "messages": "messages/partial"}.get(mode, mode)
    assert expected in events
    assert "error" not in events


def test_reasoning_streams_as_blocks_before_the_answer(sdk: SyncLangGraphClient) -> None:
    parts = sdk.runs.stream(
        None,
        "omni_router",
        input=asking(QUESTION),
        context={"model": "sandbox/text-generation-5"},
        stream_mode=["messages-tuple"],
    )
    chunks = [AIMessageChunk.model_validate(part.data[0]) for part in parts if part.event == "messages"]
    kinds = [block["type"] for chunk in chunks for block in chunk.content_blocks]
    assert kinds == sorted(kinds)
    assert kinds.count("reasoning") > 3
    assert kinds.count("text") > 3


def test_the_page_reads_the_same_events_from_a_server(url: str) -> None:
    async def turn() -> list[RunEvent]:
        thread = str(uuid4())
        return [event async for event in ServerBackend(url).stream(thread, HumanMessage(QUESTION), Settings())]

    events = asyncio.run(turn())
    kinds = list(dict.fromkeys(type(event) for event in events))
    assert kinds == [DecisionMade, Token, Recorded, RouterReplied, Finished]
    *_, replied, finished = events
    assert isinstance(replied, RouterReplied)
    assert isinstance(finished, Finished)
    assert finished.result.route in replied.candidates
    assert finished.result.answer == "".join(event.text for event in events if isinstance(event, Token))


def test_a_thread_adds_up_what_its_turns_cost(sdk: SyncLangGraphClient) -> None:
    thread = sdk.threads.create()["thread_id"]
    states: list[Any] = [sdk.runs.wait(thread, "omni_router", input=asking(QUESTION)) for _ in range(2)]
    costs = [state["attempts"][0]["cost"] for state in states]
    assert min(costs) > 0
    values: Any = sdk.threads.get_state(thread)["values"]
    assert values["spent"] == pytest.approx(sum(costs), abs=1e-13)


def test_the_decision_comes_before_any_token(sdk: SyncLangGraphClient) -> None:
    parts = stream(sdk, "custom", "messages-tuple", "updates", "events")
    first = next(i for i, part in enumerate(parts) if part.event == "custom")
    assert parts[first].data["event"] == "decision"
    tokens = [i for i, part in enumerate(parts) if part.event == "messages" and part.data[0]["content"]]
    assert first < tokens[0]
    assert len(tokens) > 3


def test_after_a_fallback_the_new_decision_comes_before_its_tokens(sdk: SyncLangGraphClient) -> None:
    parts = stream(sdk, "custom", "messages-tuple", text=f"{QUESTION} [[sandbox:overloaded_503*1]]")
    kinds = [
        part.data["decision"]["model"] if part.event == "custom" else "token"
        for part in parts
        if (part.event == "custom" and part.data["event"] == "decision")
        or (part.event == "messages" and part.data[0]["content"])
    ]
    assert len({each for each in kinds if each != "token"}) == 2
    assert kinds[0] != "token"
    assert kinds[1] != "token", "the first model said nothing"
    assert set(kinds[2:]) == {"token"}


def test_two_assistants_of_one_graph_keep_to_their_own_settings(sdk: SyncLangGraphClient) -> None:
    only_routes = sdk.assistants.create("omni_router", context={"skip_specialists": True}, name="routes only")
    writes = sdk.assistants.create("omni_router", context={"route": "creative_writing"}, name="writes")
    routed: Any = sdk.runs.wait(None, only_routes["assistant_id"], input=asking(QUESTION))
    assert (routed["decision"]["route"], routed["attempts"]) == ("question_answering", [])
    written: Any = sdk.runs.wait(None, writes["assistant_id"], input=asking(QUESTION))
    assert written["decision"]["route"] == "creative_writing"
    assert written["attempts"][-1]["outcome"] == "answered"
    again: Any = sdk.runs.wait(None, only_routes["assistant_id"], input=asking(QUESTION))
    assert again["attempts"] == []


@pytest.mark.parametrize("picture", [DOT, "https://example.com/cat.png"], ids=["data URL", "address"])
def test_a_thread_goes_on_about_its_picture(sdk: SyncLangGraphClient, picture: str) -> None:
    thread = sdk.threads.create()["thread_id"]
    first: Any = sdk.runs.wait(thread, "omni_router", input=asking("What is in this picture?", picture))
    assert first["decision"]["task"] == "image-text-to-text"
    assert first["error"] is None
    second: Any = sdk.runs.wait(thread, "omni_router", input=asking("And what colour is it in the picture?"))
    assert second["decision"]["task"] == "image-text-to-text"
    assert second["error"] is None
    assert second["attempts"][-1]["model"] == first["attempts"][-1]["model"], "the thread keeps its model"


def test_health_and_readiness_are_mounted(sdk: SyncLangGraphClient) -> None:
    sdk.runs.wait(None, "omni_router", input=asking(QUESTION))
    assert sdk.http.get("/omni/health") == {"status": "alive"}
    assert sdk.http.get("/omni/ready") == {"ready": True, "router": "semantic", "sandbox": True, "fails": None}


def test_metrics_are_mounted_and_off_unless_wanted(url: str) -> None:
    answer = httpx.get(f"{url}/omni/metrics")
    assert (answer.status_code, "OMNI_METRICS=1" in answer.text) == (404, True)


def test_nothing_blocks_the_servers_loop(sdk: SyncLangGraphClient, folder: Path) -> None:
    sdk.runs.wait(None, "omni_router", input=asking(QUESTION))
    assert "BlockingError" not in (folder / "server.log").read_text()


def test_every_checkpoint_of_a_turn_can_be_edited_and_resumed(sdk: SyncLangGraphClient) -> None:
    thread = sdk.threads.create()["thread_id"]
    sdk.runs.wait(thread, "omni_router", input=asking(QUESTION))
    history: list[Any] = sdk.threads.get_history(thread)
    resumed = []
    for state in history:
        values = {"messages": [{"role": "user", "content": "And why is the sea salty?"}]}
        fork: Any = sdk.threads.update_state(thread, values, checkpoint=state["checkpoint"])
        result: Any = sdk.runs.wait(thread, "omni_router", input=None, checkpoint=fork["checkpoint"])
        resumed.append(result["decision"]["route"])
    assert len(resumed) > 4
    assert set(resumed) == {"question_answering"}
