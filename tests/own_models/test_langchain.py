"""Any chat model of LangChain as a specialist: by its standard interface, with the same gates and history."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, RunCancelled
from omni_router.own_models.langchain_models import Specialist
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

ID = "local/parrot"
LOCAL = Settings(only=("local/*",))
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


class RateLimitedError(Exception):
    """As a client of another library raises it."""

    status_code = 429


class Parrot(BaseChatModel):
    """Repeats what it gets, word by word, and keeps how it was called."""

    temperature: float | None = None
    num_predict: int | None = None
    raises: Any = None
    breaks: bool = False  # after the first word
    seen: list[tuple[list[BaseMessage], dict[str, Any]]] = []  # noqa: RUF012 (pydantic copies it)

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=tools, **kwargs)

    def _note(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> None:
        self.seen.append((messages, {**kwargs, "temperature": self.temperature, "num_predict": self.num_predict}))
        if self.raises:
            raise self.raises

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._note(messages, {**kwargs, "stop": stop})
        message = AIMessage(
            messages[-1].text, usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        )
        if kwargs.get("tools"):
            message = AIMessage("", tool_calls=[ToolCall(name="add", args={}, id="1")])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._note(messages, {**kwargs, "stop": stop})
        for word in messages[-1].text.split():
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
            if self.breaks:
                raise ConnectionError("the secret sk-123 was refused")


Open = Callable[..., tuple[Services, Parrot]]


@pytest.fixture
def opened(sandbox: Sandbox, router: ScriptedRouter, route_config: Path) -> Open:
    """Return services with a parrot, and the parrot."""
    router.choose("casual_conversation")

    def open_services(terms: dict[str, Any] | None = None, **fields: Any) -> tuple[Services, Parrot]:
        parrot = Parrot(**fields)
        value: Any = Specialist(parrot, **terms) if terms else parrot
        environment = Environment.read(route_config=route_config)
        services = Services.from_environment(environment, specialists={ID: value})
        return replace(services, router=router), parrot

    return open_services


def run(services: Services, settings: Settings = LOCAL) -> Any:
    return build_graph(services).compile().invoke(ask("Hello there"), context=settings)


def test_it_answers_and_is_recorded(opened: Open) -> None:
    services, parrot = opened()
    result = run(services)
    assert result["messages"][-1].text.strip() == "Hello there"
    assert (result["decision"]["model"], result["decision"]["provider"]) == (ID, "local")
    (attempt,) = result["attempts"]
    assert (attempt["outcome"], attempt["provider"], attempt["cost"]) == ("answered", "local", 0.0)
    assert attempt["usage"] == {"input_tokens": 3, "output_tokens": 2}
    assert [record["id"] for record in services.history.models("casual_conversation")] == [ID]
    assert len(parrot.seen) == 1


def test_it_streams_each_token_once(opened: Open) -> None:
    services, _ = opened()
    graph = build_graph(services).compile()
    chunks = [
        message.text
        for message, _ in graph.stream(ask("one two three"), context=LOCAL, stream_mode="messages")
        if isinstance(message, AIMessageChunk)
    ]
    assert [chunk for chunk in chunks if chunk] == ["one ", "two ", "three "]


def test_tools_are_bound_where_its_profile_or_the_caller_says_that_it_takes_them(opened: Open) -> None:
    settings = LOCAL.model_copy(update={"tools": (ADD,), "tool_choice": "auto"})
    services, _ = opened()
    (rejection,) = run(services, settings)["decision"]["passed_over"]
    assert rejection["gate"] == "tools"
    services, parrot = opened({"tools": True})
    assert run(services, settings)["messages"][-1].tool_calls[0]["name"] == "add"
    assert parrot.seen[0][1]["tools"] == [ADD]
    services, parrot = opened(profile={"tool_calling": True, "max_input_tokens": 4096})
    assert run(services, settings)["error"] is None
    assert services.catalog.check(ID, None, "text-generation").refused is None


def test_parameters_are_set_on_a_copy_or_reported_as_ignored(opened: Open) -> None:
    services, parrot = opened()
    settings = LOCAL.model_copy(update={"temperature": 0.1, "max_new_tokens": 20, "seed": 7, "stop": ("END",)})
    result = run(services, settings)
    (_, seen), *_ = parrot.seen
    assert (seen["temperature"], seen["num_predict"], seen["stop"]) == (0.1, 20, ["END"])
    assert (parrot.temperature, parrot.num_predict) == (None, None)
    assert result["messages"][-1].response_metadata["ignored"] == ["seed"]


def test_prices_are_those_that_are_given(opened: Open) -> None:
    services, _ = opened({"input_price": 1.0, "output_price": 10.0})
    (attempt,) = run(services)["attempts"]
    assert attempt["cost"] == pytest.approx(23e-6)
    assert run(services, LOCAL.model_copy(update={"max_price": 5.0}))["decision"]["passed_over"][0]["gate"] == "price"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitedError("slow down"), "rate_limited"),
        (TimeoutError(), "timeout"),
        (ConnectionError("sk-123"), "overloaded"),
        (NotImplementedError(), "bad_request"),
        (RuntimeError("sk-123"), "overloaded"),
    ],
)
def test_a_failure_has_a_kind_and_the_next_model_answers(opened: Open, error: Exception, kind: str) -> None:
    services, _ = opened(raises=error)
    first, second = run(services, Settings())["attempts"]
    assert (first["model"], first["outcome"], second["outcome"]) == (ID, kind, "answered")
    assert "sk-123" not in str(first)


def test_what_arrived_of_an_answer_that_breaks_off_is_kept(opened: Open) -> None:
    services, _ = opened(breaks=True)
    graph = build_graph(services).compile()
    events: list[Any] = list(graph.stream(ask("Hello there"), context=LOCAL, stream_mode=["values", "messages"]))
    result = events[-1][1]
    assert result["attempts"][0]["partial"]
    assert "sk-123" not in str(result["error"])


def test_a_run_that_is_cancelled_ends_at_the_next_token(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    services, _ = opened()
    checks: list[None] = []

    def cancelled_later() -> None:
        checks.append(None)
        if len(checks) > 2:
            raise RunCancelled("nobody waits")

    monkeypatch.setattr("omni_router.own_models.langchain_call.check_cancelled", cancelled_later)
    with pytest.raises(RunCancelled):
        list(build_graph(services).compile().stream(ask("one two three"), context=LOCAL, stream_mode="messages"))
    assert len(checks) == 3


@pytest.mark.parametrize(
    ("specialists", "message"),
    [
        ({"parrot": Parrot()}, "'parrot' is not the id of a specialist"),
        ({"sandbox/parrot": Parrot()}, "'sandbox/parrot' is not the id of a specialist"),
        ({ID: "parrot"}, f"the specialist {ID} is a str, not a chat model of LangChain"),
    ],
)
def test_what_is_not_a_specialist_is_refused(specialists: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Services.from_environment(specialists=specialists)


def test_only_its_own_id_is_taken_from_the_hub(sandbox: Sandbox, router: ScriptedRouter, route_config: Path) -> None:
    router.choose("casual_conversation")
    environment = Environment.read(route_config=route_config)
    specialists = {"sandboxes/Parrot": Parrot(), "Acme/Parrot": Parrot()}
    services = replace(Services.from_environment(environment, specialists=specialists), router=router)
    result = run(services, Settings(only=("Acme/Parrot",)))
    assert (result["decision"]["model"], result["error"]) == ("Acme/Parrot", None)
    asked = len(sandbox.requests)
    assert run(services, Settings(only=("Acme/Parrot",)))["error"] is None
    assert len(sandbox.requests) == asked  # the Hub was not asked
    assert services.catalog.check("Acme/other", None, "text-generation").why != "the policy declares no provider acme"
