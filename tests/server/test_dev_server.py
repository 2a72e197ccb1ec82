"""The LangGraph dev server, started for real and driven with its SDK."""

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import SyncLangGraphClient

from tests.server.test_runs import asking

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


def test_wait_gives_the_output(sdk: SyncLangGraphClient, folder: Path) -> None:
    result: Any = sdk.runs.wait(None, "omni_router", input=asking("Who discovered penicillin?"))
    assert result["decision"]["route"] == "question_answering"
    assert result["decision"]["model"].startswith("sandbox/text-generation-")
    assert result["error"] is None
    recorded = json.loads((folder / "outputs" / "sandbox" / "route_config.json").read_text())
    assert any(entry["name"] == "question_answering" and entry["models"] for entry in recorded)


def test_streams_of_values_tokens_and_events(sdk: SyncLangGraphClient) -> None:
    parts = list(
        sdk.runs.stream(
            None,
            "omni_router",
            input=asking("Who discovered penicillin?"),
            stream_mode=["values", "messages-tuple", "custom"],
        )
    )
    events = [part.event for part in parts]
    assert {"values", "messages", "custom"} <= set(events)
    assert events.index("custom") < events.index("messages"), "the decision comes before the first token"
    assert events.count("messages") > 3


def test_a_thread_keeps_its_messages_and_nothing_else_of_a_turn(sdk: SyncLangGraphClient) -> None:
    thread = sdk.threads.create()["thread_id"]
    sdk.runs.wait(thread, "omni_router", input=asking("Paint a picture of a red fox in the snow"))
    second: Any = sdk.runs.wait(thread, "omni_router", input=asking("Thanks! How are you today?"))
    assert len(second["messages"]) == 4
    assert second["artifacts"] == []
    assert len(second["attempts"]) == 1
    assert sdk.threads.get_state(thread)["values"]["previous"]["route"] == "image_generation"  # type: ignore[call-overload]


def test_schemas_have_the_keys_and_studio_its_form(sdk: SyncLangGraphClient) -> None:
    assistant = sdk.assistants.search(graph_id="omni_router")[0]["assistant_id"]
    schemas: Any = sdk.assistants.get_schemas(assistant)
    assert set(schemas["input_schema"]["properties"]) == {"messages"}
    assert set(schemas["output_schema"]["properties"]) == {"messages", "decision", "attempts", "artifacts", "error"}
    assert "max_models" in schemas["context_schema"]["properties"]


def test_context_reaches_the_run(sdk: SyncLangGraphClient) -> None:
    result: Any = sdk.runs.wait(
        None, "omni_router", input=asking("Who discovered penicillin?"), context={"skip_specialists": True}
    )
    assert result["attempts"] == []
    assert result["decision"]["model"]


def test_the_router_graphs_errors_are_readable(sdk: SyncLangGraphClient) -> None:
    result: Any = sdk.runs.wait(None, "omni_router", input={"messages": []}, raise_error=False)
    assert "nothing to answer" in json.dumps(result)


@pytest.mark.parametrize("mode", ["wait", "stream"])
def test_stop_iteration_is_retried_once_and_the_server_goes_on(
    sdk: SyncLangGraphClient, mode: str, folder: Path
) -> None:
    number = 7  # the catalog gets no answer about it, and the client is answered that nobody serves it
    prompt = f"Paint a picture of a lighthouse, {mode}"
    history = folder / "outputs" / "sandbox" / "route_config.json"
    history.with_name(".route_config.json.cooling").unlink(missing_ok=True)  # what failed lately is not called first
    run: Any = {"input": asking(prompt), "context": {"model": f"sandbox/text-to-image-{number}"}}
    if mode == "wait":
        result: Any = sdk.runs.wait(None, "omni_router", **run)
    else:
        result = list(sdk.runs.stream(None, "omni_router", stream_mode="values", **run))[-1].data
    unserved = [a for a in result["attempts"] if a["model"].endswith("-7")]
    assert [attempt["outcome"] for attempt in unserved] == ["no_provider", "no_provider"]
    after: Any = sdk.runs.wait(None, "omni_router", input=asking("Who discovered penicillin?"))
    assert after["error"] is None


def test_no_token_in_what_the_server_keeps(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(".langgraph_api" in str(path) for path in files)
    assert [path for path in files if b"hf_" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("text", "context", "error", "model", "gate"),
    [
        ("Who discovered penicillin?", {"max_price": 0.01}, "no_provider", None, "price"),
        ("Who discovered penicillin?", {"only": ["*:nobody"]}, "no_provider", None, "allowed"),
        (
            "Who discovered penicillin?",
            {"model": "sandbox/text-generation-1", "never": ["*-1"]},
            "no_provider",
            None,
            "allowed",
        ),
        ("tides " * 300_000, {"route": "question_answering"}, None, "sandbox/text-generation-3", "context"),
        ("tides " * 900_000, {"route": "question_answering"}, "bad_request", None, "context"),
    ],
)
def test_a_gate_holds_on_the_server_and_is_named(  # noqa: PLR0913, PLR0917 (the columns of a table)
    sdk: SyncLangGraphClient, text: str, context: dict[str, Any], error: str | None, model: str | None, gate: str
) -> None:
    result: Any = sdk.runs.wait(None, "omni_router", input=asking(text), context=context)
    assert (result["error"] and result["error"]["kind"], result["decision"]["model"]) == (error, model)
    gates = {rejection["gate"] for rejection in result["decision"]["passed_over"]}
    if error:
        assert gate in gates
    else:  # a model that does not pass has no score, so that the next best is the first choice: the reason names it
        assert f"did not pass: {gate}" in result["decision"]["reason"]
