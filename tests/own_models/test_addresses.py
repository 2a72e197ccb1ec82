"""Models at an address that the policy declares: chosen, called, streamed and recorded as those of the Hub are."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage

from omni_router import Settings, build_graph, user_message
from omni_router._sandbox import Reasoning, Sandbox, sandbox
from omni_router.messages import reasoning_of
from omni_router.services import Services
from tests.own_models.conftest import Declare
from tests.support.calls import ask
from tests.support.dev_server import free_port
from tests.support.model_server import SEEING, SMALL, ModelServer
from tests.support.pictures import DOT
from tests.support.scripted_router import ScriptedRouter
from tests.support.silent_model import SilentModel

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID, SEEING_ID = "local/llama3.2-3b", "local/hf.co-Qwen-Qwen3-VL-4b"
HUB = "sandbox/text-generation-1"
LOCAL = Settings(only=("local/*",))
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(autouse=True)
def hub(router: ScriptedRouter) -> Iterator[Sandbox]:
    router.choose("code_generation")
    with sandbox() as running:
        yield running


def run(services: Services, settings: Settings = LOCAL, text: str = "Hello", image: str | None = None) -> Any:
    return build_graph(services).compile().invoke(ask(text, image), context=settings)


# --- the choice ------------------------------------------------------------------------------------------------------


def test_a_model_that_the_address_lists_answers(declare: Declare, server: ModelServer) -> None:
    result = run(declare())
    assert (result["decision"]["model"], result["decision"]["provider"]) == (ID, "local")
    (attempt,) = result["attempts"]
    assert (attempt["outcome"], attempt["provider"], attempt["cost"]) == ("answered", "local", 0.0)
    assert attempt["usage"]["input_tokens"] > 0
    assert result["messages"][-1].response_metadata["provider"] == "local"
    (chat,) = server.chats()
    assert (chat.body["model"], chat.key) == (SMALL, None)


def test_its_list_is_asked_for_once(declare: Declare, server: ModelServer) -> None:
    services = declare()
    run(services)
    run(services)
    assert [request.path for request in server.received].count("/v1/models") == 1


def test_models_that_the_policy_names_are_not_asked_for(declare: Declare, server: ModelServer) -> None:
    services = declare(models=[SMALL])
    assert run(services)["decision"]["model"] == ID
    assert [request.path for request in server.received] == ["/v1/chat/completions"]


def test_they_join_the_models_of_the_hub(declare: Declare) -> None:
    services = declare()
    listing = services.catalog.models(["text-generation"])["text-generation"]
    assert [model.id for model in listing[:3]] == [ID, SEEING_ID, HUB]
    assert services.catalog.models(["text-generation"])["text-generation"] is listing  # as the ranking expects


def test_a_use_is_recorded_and_a_failure_cools_down(declare: Declare, server: ModelServer) -> None:
    services = declare(models=[SMALL])
    run(services)
    (record,) = services.history.models("code_generation")
    assert (record["id"], record["successes"]) == (ID, 1)
    server.box.fail("overloaded", times=1)
    result = run(services)
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["overloaded"]
    assert ID in services.history.cooling()
    assert f"local at {server.url}: HTTP 5" in result["error"]["message"]


def test_the_hub_answers_where_the_address_cannot(declare: Declare) -> None:
    services = declare(models=[SMALL], address=f"http://127.0.0.1:{free_port()}")
    result = run(services, Settings())
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["overloaded", "answered"]
    assert result["attempts"][1]["model"] == HUB


def test_an_address_that_does_not_answer_is_named(declare: Declare) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    error = run(declare(models=[SMALL], address=address))["error"]
    assert error["message"] == f"The provider of {ID} could not be reached. (local at {address}: ConnectError)"
    assert "Start its server" in error["hint"]


def test_without_any_model_the_error_says_so(declare: Declare) -> None:
    result = run(declare(address=f"http://127.0.0.1:{free_port()}/v1"))
    assert result["attempts"] == []
    assert result["error"]["message"].startswith("There is no model to try for this route: `only` keeps it to models")


def test_without_any_model_of_the_provider_that_only_names_the_error_does_not_blame_only(
    declare: Declare, server: ModelServer, route_config: Path
) -> None:
    services = declare()
    gone = {"name": "gone", "address": f"http://127.0.0.1:{free_port()}/v1"}
    entries = json.loads(route_config.read_text())
    entries[0]["providers"].append(gone)
    entries[1]["models"] = [{"id": HUB, "uses": 9, "successes": 9}]
    route_config.write_text(json.dumps(entries))
    error = run(services, Settings(only=("gone/*",)))["error"]
    assert error["kind"] == "no_model"
    assert error["hint"].startswith("Check that their server runs and lists a model")
    assert run(services, Settings(only=("local/other",)))["error"]["kind"] == "no_provider"  # there, only is the reason


# --- the gates -------------------------------------------------------------------------------------------------------


def test_tools_go_to_models_that_are_declared_to_take_them(declare: Declare, server: ModelServer) -> None:
    settings = LOCAL.model_copy(update={"tools": (ADD,)})
    result = run(declare(models=[SMALL]), settings, "Add 2 and 3")
    (rejection,) = result["decision"]["passed_over"]
    assert rejection["gate"] == "tools"
    assert '"tools": true at local in the policy' in rejection["why"]
    assert result["error"]["message"].startswith(f"No inference provider serves {ID}. (tools: ")
    result = run(declare(models=[SMALL], tools=True), settings, "Add 2 and 3")
    assert result["messages"][-1].tool_calls[0]["name"] == "add"
    assert server.chats()[-1].body["tools"] == [ADD]


def test_a_question_about_an_image_goes_to_a_model_that_takes_images(
    declare: Declare, server: ModelServer, router: ScriptedRouter
) -> None:
    router.choose("image_understanding")
    services = declare(models=[SMALL, {"id": SEEING, "images": True}])
    result = run(services, LOCAL, "What is it?", DOT)
    assert result["decision"]["model"] == SEEING_ID
    assert server.chats()[-1].body["messages"][-1]["content"][1]["image_url"]["url"] == DOT


def test_a_json_schema_is_sent_as_openai_has_it(declare: Declare, server: ModelServer) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    services = declare(models=[SMALL], structured_output=True)
    result = run(services, LOCAL.model_copy(update={"response_format": form}))
    assert server.chats()[-1].body["response_format"] == form
    assert isinstance(json.loads(result["messages"][-1].text), dict)


def test_a_long_conversation_does_not_go_to_a_small_context(declare: Declare, server: ModelServer) -> None:
    server.listed = [{"id": SMALL, "max_model_len": 4096}]
    result = run(declare(), LOCAL, "word " * 5000)
    (rejection,) = result["decision"]["passed_over"]
    assert (rejection["gate"], rejection["model"]) == ("context", ID)
    assert server.chats() == []


def test_tokens_on_this_machine_cost_nothing_and_others_what_is_declared(declare: Declare) -> None:
    free = LOCAL.model_copy(update={"max_price": 0.0})
    assert run(declare(models=[SMALL]), free)["error"] is None
    result = run(declare(models=[SMALL], price={"input": 1, "output": 2}), free)
    assert result["decision"]["passed_over"][0]["gate"] == "price"
    (attempt,) = run(declare(models=[SMALL], price={"input": 1, "output": 2}))["attempts"]
    usage = attempt["usage"]
    assert attempt["cost"] == pytest.approx((usage["input_tokens"] + 2 * usage["output_tokens"]) / 1e6)


# --- a model that the caller names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ID, "local/llama3.2:3b", f"{ID}:local"])
def test_the_caller_names_a_model(declare: Declare, server: ModelServer, name: str) -> None:
    result = run(declare(), Settings(model=name))
    assert (result["decision"]["model"], result["decision"]["source"]) == (ID, "caller")
    assert server.chats()[0].body["model"] == SMALL


def test_a_model_that_is_not_there_is_not_looked_for_on_the_hub(declare: Declare, hub: Sandbox) -> None:
    result = run(declare(), Settings(model="local/other"))
    assert result["attempts"] == []
    assert f"has no such model; it has {SMALL}, {SEEING}" in result["error"]["message"]
    assert result["error"]["message"].startswith("local/other is not served at the address of its provider.")
    assert not [record for record in hub.requests if record.model == "local/other"]


# --- the call --------------------------------------------------------------------------------------------------------


def test_an_answer_streams(declare: Declare, server: ModelServer) -> None:
    graph = build_graph(declare()).compile()
    chunks = [
        message.text
        for message, _ in graph.stream(ask("Tell me a story"), context=LOCAL, stream_mode="messages")
        if isinstance(message, AIMessage)
    ]
    assert len([chunk for chunk in chunks if chunk]) > 1
    assert server.chats()[0].body["stream"] is True


def test_a_streamed_answer_may_have_the_line_separators_of_unicode(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers write them as they are, and to JSON they are characters like any other."""
    text = "one\u2028two\u0085three"
    chunk = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\ndata: [DONE]\n\n".encode()
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(pieces))
    services = declare(models=[SMALL])
    monkeypatch.setattr(server, "answer", lambda _: answer)
    graph = build_graph(services).compile()
    parts: list[Any] = list(graph.stream(ask("Hello"), context=LOCAL, stream_mode=["messages", "values"]))
    assert parts[-1][1]["messages"][-1].text == text


def test_reasoning_is_kept_apart(declare: Declare, server: ModelServer) -> None:
    server.box.set_reasoning("sandbox/text-generation-1", Reasoning())
    message = run(declare())["messages"][-1]
    assert reasoning_of(message)
    assert reasoning_of(message) not in message.text


def test_a_redirect_is_not_followed(declare: Declare, server: ModelServer) -> None:
    services = declare(models=[SMALL])
    server.redirect = "http://127.0.0.1:9/elsewhere"
    result = run(services)
    assert "HTTP 307" in result["error"]["message"]
    assert len(server.received) == 1


def test_an_address_on_this_machine_is_not_asked_through_a_proxy(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert run(declare())["error"] is None


def test_it_is_called_when_the_hub_is_switched_off(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run(declare())["error"] is None


def test_the_sandbox_calls_no_provider_elsewhere(declare: Declare) -> None:
    error = run(declare(models=[SMALL], address="https://models.example.org/v1"), Settings(model=ID))["error"]
    assert "the sandbox calls only providers on this machine" in error["message"]


def test_a_cancelled_run_hangs_up(declare: Declare) -> None:
    model = SilentModel()
    thread = threading.Thread(target=model.serve_forever)
    thread.start()
    try:
        graph = build_graph(declare(models=[SMALL], address=f"{model.url}/v1")).compile()

        async def give_up() -> None:
            run_of_graph = asyncio.create_task(graph.ainvoke(ask("Hello"), context=LOCAL))
            await asyncio.to_thread(model.asked.get, timeout=20)
            run_of_graph.cancel()
            await asyncio.to_thread(model.hung_up.get, timeout=20)

        asyncio.run(give_up())
    finally:
        model.shutdown()
        model.server_close()
        thread.join()


# --- keys ------------------------------------------------------------------------------------------------------------


def test_its_key_comes_from_the_variable_that_the_policy_names(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "a-secret"
    monkeypatch.setenv("MY_SERVER_KEY", "a-secret")
    assert run(declare(key_env="MY_SERVER_KEY"))["error"] is None
    assert {request.key for request in server.received} == {"Bearer a-secret"}


def test_a_wrong_key_is_reported_without_it_and_the_next_model_answers(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "a-secret"
    monkeypatch.setenv("MY_SERVER_KEY", "wrong-secret")
    result = run(declare(models=[SMALL], key_env="MY_SERVER_KEY"), Settings())
    first, second = result["attempts"]
    assert first["error"]["message"].startswith(
        f"The provider of {ID} got no key that it accepts. (local at {server.url}"
    )
    assert "wrong-secret" not in json.dumps(first)
    assert (first["outcome"], second["outcome"]) == ("token", "answered")


def test_a_missing_key_is_named_by_its_variable(declare: Declare, server: ModelServer) -> None:
    error = run(declare(models=[SMALL], key_env="MY_SERVER_KEY"))["error"]
    assert "the variable MY_SERVER_KEY, which holds its key, is not set" in error["message"]
    assert server.chats() == []


def test_the_token_of_the_hub_goes_to_no_other_address(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_realtoken")
    assert run(declare())["error"] is None
    assert {request.key for request in server.received} == {None}
    error = run(declare(models=[SMALL], key_env="HF_TOKEN"))["error"]
    assert "which is sent to Hugging Face alone" in error["message"]
    assert {request.key for request in server.received} == {None}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HF_TOKEN", "api_org_realtoken"), ("MY_KEY", "Bearer hf_realtoken"), ("MY_KEY", '"hf_realtoken"')],
)
def test_a_token_of_the_hub_is_known_however_it_is_written(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = run(declare(models=[SMALL], key_env=variable))["error"]
    assert "which is sent to Hugging Face alone" in error["message"]
    assert server.received == []


@pytest.mark.parametrize("key", ["two\nlines-secret", "sécret"])
def test_a_key_that_no_header_can_hold_is_not_sent(
    declare: Declare, server: ModelServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MY_SERVER_KEY", key)
    error = run(declare(models=[SMALL], key_env="MY_SERVER_KEY"))["error"]
    assert (error["kind"], key in error["message"]) == ("token", False)
    assert "MY_SERVER_KEY holds no key" in error["message"]
    assert server.received == []


def test_a_conversation_goes_on_with_the_model_of_its_thread(declare: Declare, server: ModelServer) -> None:
    services = declare(models=[SEEING, SMALL])
    graph = build_graph(services).compile()
    first = graph.invoke(ask("Hello"), context=Settings(model=ID))
    messages = [*first["messages"], user_message("And now?")]
    second = graph.invoke({"messages": messages}, context=LOCAL)
    assert second["decision"]["model"] == ID
    assert len(server.chats()[-1].body["messages"]) == 3
