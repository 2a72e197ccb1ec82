"""The LangGraph SDK against the LangGraph server: `python langgraph_sdk_client.py URL FEATURE`."""

import json
import sys
from typing import Any

from langgraph_sdk import get_sync_client
from shared import (
    ASK_WEATHER,
    BAD_REQUEST,
    FOLLOW_UP,
    IMAGE_PARTS,
    QUESTION,
    RESPONSE_FORMAT,
    SCHEMA,
    TOOL,
    WEATHER,
)

ASSISTANT = "omni_router"


def user(content: Any) -> dict[str, Any]:
    """Return the input with a message of the user."""
    return {"messages": [{"role": "user", "content": content}]}


def wait(url: str, content: Any, thread: str | None = None, **context: Any) -> Any:
    """Return the final state of a run."""
    return get_sync_client(url=url).runs.wait(thread, ASSISTANT, input=user(content), context=context)


def chat(url: str) -> None:
    """Check an answer, and one on the same thread."""
    thread = get_sync_client(url=url).threads.create()["thread_id"]
    first = wait(url, QUESTION, thread)
    assert "Simulated answer" in first["messages"][-1]["content"], first
    second = wait(url, FOLLOW_UP, thread)
    assert FOLLOW_UP in second["messages"][-1]["content"], second
    assert len(second["messages"]) == 4, second


def stream(url: str) -> None:
    """Check that the decision comes first, then the answer in pieces."""
    parts = list(
        get_sync_client(url=url).runs.stream(
            None, ASSISTANT, input=user(QUESTION), stream_mode=["custom", "messages-tuple"]
        )
    )
    events = [part.event for part in parts]
    assert events.index("custom") < events.index("messages"), events
    assert events.count("messages") > 3, events


def tools(url: str) -> None:
    """Check a loop with one tool, which a run gets as context."""
    first = wait(url, ASK_WEATHER, tools=[TOOL])
    [call] = first["messages"][-1]["tool_calls"]
    assert call["name"] == "get_weather", first
    result = {"role": "tool", "tool_call_id": call["id"], "content": WEATHER}
    last: Any = get_sync_client(url=url).runs.wait(
        None, ASSISTANT, input={"messages": [*first["messages"], result]}, context={"tools": [TOOL]}
    )
    assert WEATHER in last["messages"][-1]["content"], last


def images(url: str) -> None:
    """Check that an image arrives."""
    state = wait(url, IMAGE_PARTS)
    assert "image/png" in state["messages"][-1]["content"], state


def structured(url: str) -> None:
    """Check JSON by a schema, which a run gets as context."""
    state = wait(url, ASK_WEATHER, response_format=RESPONSE_FORMAT)
    assert set(json.loads(state["messages"][-1]["content"])) == set(SCHEMA["required"]), state


def cancel(url: str) -> None:
    """Check that a run may be cancelled, and the server answers the next one."""
    client = get_sync_client(url=url)
    thread = client.threads.create()["thread_id"]
    run = client.runs.create(thread, ASSISTANT, input=user(QUESTION))
    client.runs.cancel(thread, run["run_id"], wait=True)
    assert client.runs.get(thread, run["run_id"])["status"] in ("interrupted", "success")
    chat(url)


def error(url: str) -> None:
    """Check that a failure is in the state."""
    state = wait(url, BAD_REQUEST)
    assert state["error"]["kind"] == "bad_request", state


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
