"""ChatOmni, alone and in agents of LangChain, on the sandbox."""

import asyncio
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_store
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.agents.chat_model import ChatOmni
from omni_router.errors import AnswerFailed, ConfigurationError, InvalidRequest
from tests.support.calls import ask
from tests.support.openai_server import scripted
from tests.support.scripted_router import ScriptedRouter
from tests.support.wire import recorded

FIRST, SECOND = "sandbox/text-generation-1", "sandbox/text-generation-2"


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    return f"It rains in {city}."


def book_room(city: str, nights: int) -> str:
    """Book a room."""
    return f"{nights} nights in {city} are booked."


@pytest.fixture
def model(services: Services, router: ScriptedRouter) -> ChatOmni:
    router.choose("question_answering")
    return ChatOmni(services=services)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_says_what_it_cost(model: ChatOmni, sandbox: Sandbox, *, streamed: bool) -> None:
    answer: Any
    with recorded(sandbox) as wire:
        if streamed:
            first, *others = model.stream("How do tides work?")
            answer = sum(others, first)
        else:
            answer = model.invoke("How do tides work?")
    [bill], [call] = wire.bills(), wire.chats()
    assert bill
    assert answer.response_metadata["provider"] == call.headers["x-inference-provider"]
    assert answer.response_metadata["cost"] == pytest.approx(float(bill), abs=1e-13)


class Tree(BaseTracer):
    """Keeps the runs of a trace."""

    def __init__(self) -> None:
        super().__init__()
        self.root: Run | None = None

    def _persist_run(self, run: Run) -> None:
        self.root = run

    def path_to(self, name: str) -> list[str]:
        """Name the runs that stand above the first one of that name, from the root on."""
        route_to = next(path for path in self._paths(self.root) if path[-1] == name)
        return route_to[:-1]

    def _paths(self, run: Run | None) -> list[list[str]]:
        if run is None:
            return []
        below = [[run.name, *path] for child in run.child_runs for path in self._paths(child)]
        return [[run.name], *below]


# ---- one turn


def test_an_answer_carries_its_decision_usage_and_model(model: ChatOmni) -> None:
    answer = model.invoke("How do tides work?")
    assert "How do tides work?" in answer.text
    assert answer.response_metadata["decision"]["route"] == "question_answering"
    assert answer.response_metadata["decision"]["model"] == answer.response_metadata["model_name"] == FIRST
    assert answer.response_metadata["artifacts"] == []
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0


def test_pieces_of_a_stream_add_up_to_the_plain_answer_with_the_same_metadata(model: ChatOmni) -> None:
    plain = model.invoke("How do tides work?")
    pieces = list(model.stream("How do tides work?"))
    whole = sum(pieces[1:], pieces[0])
    assert len(pieces) > 5
    assert whole.text == plain.text
    assert whole.usage_metadata == plain.usage_metadata
    assert whole.response_metadata["decision"]["model"] == FIRST
    assert whole.response_metadata["model_name"] == FIRST
    assert whole.response_metadata["finish_reason"] == "stop"
    assert len({piece.id for piece in pieces}) == 1
    assert [piece.chunk_position for piece in pieces if piece.chunk_position] == ["last"]


def test_an_async_stream_is_the_sync_one(model: ChatOmni) -> None:
    async def collect() -> list[str]:
        return [piece.text async for piece in model.astream("How do tides work?")]

    assert asyncio.run(collect()) == [piece.text for piece in model.stream("How do tides work?")]


def test_an_image_is_mentioned_and_listed_among_the_artifacts(model: ChatOmni, router: ScriptedRouter) -> None:
    router.choose("image_generation")
    [piece] = model.stream("Paint a fox")
    [artifact] = piece.response_metadata["artifacts"]
    assert artifact["path"] in piece.text
    assert piece.response_metadata["decision"]["task"] == "text-to-image"


def test_a_message_of_the_caller_is_not_changed(model: ChatOmni) -> None:
    message = HumanMessage("How do tides work?")
    model.invoke([SystemMessage("Be brief."), message])
    assert message.id is None


def test_blocks_that_repeat_a_tool_call_or_hold_private_thinking_are_not_sent(model: ChatOmni) -> None:
    """A chat server knows texts and pictures; the call itself stands beside the content."""
    call = {"name": "get_weather", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"}
    used = {"type": "tool_use", "id": "1", "name": "get_weather"}
    messages = [
        HumanMessage("The weather?"),
        AIMessage([{"type": "reasoning", "reasoning": "hm"}, call, used], tool_calls=[call]),
        ToolMessage("Rain.", tool_call_id="1"),
    ]
    assert "the tool answered “Rain.”" in model.bind_tools([get_weather]).invoke(messages).text


# ---- failures


def test_a_failed_turn_is_an_exception_and_never_an_answer(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.fail("token_401", times=10)
    for call in (model.invoke, lambda text: list(model.stream(text))):
        with pytest.raises(AnswerFailed) as caught:
            call("How do tides work?")
        assert caught.value.kind == "token"
        assert FIRST in caught.value.message
        assert "HF_TOKEN" in caught.value.hint
        assert caught.value.attempts[0]["outcome"] == "token"
        assert caught.value.decision is not None
        assert caught.value.decision["route"] == "question_answering"


def test_no_route_is_reported_as_such(model: ChatOmni, router: ScriptedRouter) -> None:
    router.choose("other")
    with pytest.raises(AnswerFailed) as caught:
        asyncio.run(model.ainvoke("How do tides work?", fallback_route="none"))
    assert caught.value.kind == "no_route"


def test_an_answer_that_breaks_off_gives_its_beginning_and_then_raises(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.fail("stream_cut", times=10)
    heard: list[str] = []
    with pytest.raises(AnswerFailed):
        heard.extend(piece.text for piece in model.stream("How do tides work?"))
    assert heard[0].startswith("[sandbox]")


def test_another_model_answers_when_one_fails_and_the_decision_is_its(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.fail("overloaded_503", model=FIRST)
    pieces = list(model.stream("How do tides work?"))
    assert sum(pieces[1:], pieces[0]).response_metadata["decision"]["model"] == SECOND


def test_an_empty_conversation_is_an_invalid_request(model: ChatOmni) -> None:
    with pytest.raises(InvalidRequest):
        model.invoke([SystemMessage("Be brief.")])


# ---- parameters


def test_langchains_parameters_and_those_of_settings_are_read_by_name(services: Services) -> None:
    model = ChatOmni(services=services, temperature=0, max_tokens=5, max_retries=0, stop=["x"], route="code_generation")
    expected = Settings(temperature=0, max_new_tokens=5, max_models=1, stop=("x",), route="code_generation")
    assert model.settings == expected


def test_a_call_overrides_the_models_own_parameters(services: Services, model: ChatOmni) -> None:
    brief = ChatOmni(services=services, max_tokens=3)
    assert len(brief.invoke("How do tides work?").text.split()) == 3
    assert len(brief.invoke("How do tides work?", max_tokens=4).text.split()) == 4
    assert brief.invoke("How do tides work?", stop=["tides"], max_tokens=99).text.endswith("How do ")


def test_the_routing_is_a_parameter_too(model: ChatOmni, router: ScriptedRouter) -> None:
    answer = model.bind(route="summarization", model=SECOND).invoke("How do tides work?")
    assert answer.response_metadata["decision"]["route"] == "summarization"
    assert answer.response_metadata["decision"]["model"] == SECOND
    assert answer.response_metadata["decision"]["source"] == "caller"
    assert router.asked == []


@pytest.mark.parametrize("call", [lambda: ChatOmni(temprature=0), lambda: ChatOmni().invoke("Hello", temprature=0)])
def test_an_unknown_parameter_is_named_with_those_that_are_known(call: Callable[[], Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"temprature .* temperature"):
        call()


def test_a_value_out_of_range_is_named(model: ChatOmni) -> None:
    with pytest.raises(InvalidRequest, match="temperature"):
        model.invoke("Hello", temperature=7)


def test_a_model_that_may_not_answer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="skip_specialists"):
        ChatOmni(skip_specialists=True)


def test_the_token_is_used_and_never_shown(sandbox: Sandbox) -> None:
    model = ChatOmni(api_key="hf_secret", route="question_answering")
    model.invoke("How do tides work?")
    assert {record.token for record in sandbox.requests if record.method == "POST"} == {"hf_secret"}
    as_dict = model.asdict() if hasattr(model, "asdict") else model.dict()  # langchain-core before 1.4.9
    assert "hf_secret" not in f"{model!r} {as_dict} {model._identifying_params}"


# ---- tools and forms


def test_only_models_that_take_tools_are_chosen(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.set_tools(FIRST, [])
    answer = model.bind_tools([get_weather]).invoke("What is the weather in Rome?")
    assert answer.response_metadata["decision"]["model"] == SECOND
    assert answer.tool_calls[0]["args"] == {"city": "Rome"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("any", "get_weather"), (True, "get_weather"), ("required", "get_weather"), ("book_room", "book_room")],
)
def test_a_forced_tool_is_called(model: ChatOmni, choice: Any, expected: str) -> None:
    answer = model.bind_tools([get_weather, book_room], tool_choice=choice).invoke("Hello")
    assert [call["name"] for call in answer.tool_calls] == [expected]


def test_no_tool_is_called_when_none_may_be_or_none_fits(model: ChatOmni) -> None:
    assert not model.bind_tools([get_weather], tool_choice="none").invoke("The weather?").tool_calls
    assert not model.bind_tools([get_weather]).invoke("How do tides work?").tool_calls


def test_a_choice_that_is_not_a_tool_is_refused(model: ChatOmni) -> None:
    with pytest.raises(InvalidRequest, match=r"'get_wether'.*get_weather"):
        model.bind_tools([get_weather], tool_choice="get_wether")


class Trip(BaseModel):
    """A trip to book."""

    city: str
    nights: int
    rooms: list[str] = []


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_is_an_object_of_the_schema(model: ChatOmni, method: Any) -> None:
    trip = model.with_structured_output(Trip, method=method).invoke("Book 3 nights in 'Rome'.")
    assert isinstance(trip, Trip)
    assert (trip.city, trip.nights) == ("Rome", 3)


def test_structured_output_can_come_with_its_message(model: ChatOmni) -> None:
    result: Any = model.with_structured_output(Trip, method="json_schema", include_raw=True).invoke("3 in 'Rome'")
    assert result["parsed"].nights == 3
    assert result["parsing_error"] is None
    assert result["raw"].response_metadata["decision"]["model"] == FIRST


def test_json_can_be_asked_for_without_a_schema(model: ChatOmni) -> None:
    answer = model.with_structured_output(method="json_mode").invoke("JSON with 'city' and 'nights'")
    assert isinstance(answer, dict)
    assert list(answer) == ["city", "nights"]


@pytest.mark.parametrize("kwargs", [{"schema": Trip, "method": "telepathy"}, {"schema": None}])
def test_a_form_that_cannot_be_asked_for_is_refused(model: ChatOmni, kwargs: Any) -> None:
    with pytest.raises(InvalidRequest):
        model.with_structured_output(**kwargs)


# ---- in an agent


def agent_of(model: ChatOmni, **more: Any) -> Any:
    return create_agent(model=model, tools=[get_weather, book_room], **more)


def test_an_agent_calls_a_tool_and_ends_with_a_text_that_quotes_it(model: ChatOmni) -> None:
    messages = agent_of(model).invoke(ask("What is the weather in Rome?"))["messages"]
    assert [type(message) for message in messages] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert "It rains in Rome." in messages[-1].text


@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_loop_stays_with_its_model_and_asks_the_router_once(
    model: ChatOmni, router: ScriptedRouter, *, streaming: bool
) -> None:
    router.choose("question_answering", SECOND)
    agent = agent_of(model)
    question = ask("What is the weather in Rome?")
    if streaming:
        *_, state = agent.stream(question, stream_mode=["messages", "values"])
        messages: list[AnyMessage] = state[1]["messages"]
    else:
        messages = agent.invoke(question)["messages"]
    answers = [message for message in messages if isinstance(message, AIMessage)]
    assert [answer.response_metadata["decision"]["model"] for answer in answers] == [SECOND, SECOND]
    assert len(router.asked) == 1


def texts(parts: list[tuple[Any, Any]]) -> tuple[str, Counter[str]]:
    """Return the text of the models, and how many pieces each node streamed."""
    texts_and_metadata = [(part, about) for part, about in parts if isinstance(part, AIMessage) and part.text]
    return "".join(part.text for part, _ in texts_and_metadata), Counter(
        about["langgraph_node"] for _, about in texts_and_metadata
    )


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
def test_each_token_appears_once_in_a_streamed_agent(
    model: ChatOmni, *, subgraphs: bool, asynchronous: bool, checkpointer: Any
) -> None:
    agent = agent_of(model, checkpointer=checkpointer)
    how: dict[str, Any] = {
        "stream_mode": "messages",
        "subgraphs": subgraphs,
        "config": {"configurable": {"thread_id": f"{subgraphs}-{asynchronous}"}},
    }

    async def collect() -> list[Any]:
        return [part async for part in agent.astream(ask("What is the weather in Rome?"), **how)]

    parts = asyncio.run(collect()) if asynchronous else list(agent.stream(ask("What is the weather in Rome?"), **how))
    if subgraphs:
        assert {space for space, _ in parts} == {()}, "the graph behind the model is no subgraph of the agent"
        parts = [part for _, part in parts]
    text, nodes = texts(parts)
    assert text.count("[sandbox]") == text.count("It rains in Rome.") == 1
    assert nodes["model"] > 5
    calls = [part for part, _ in parts if isinstance(part, AIMessageChunk) and part.tool_call_chunks]
    assert len(calls) > 1, "the arguments of a tool come in pieces"
    assert "".join(call.tool_call_chunks[0]["args"] or "" for call in calls) == '{"city": "Rome"}'


def test_each_token_appears_once_when_a_node_streams_the_model_itself(model: ChatOmni) -> None:
    def answer(state: MessagesState) -> Any:
        pieces = list(model.stream(state["messages"]))
        return {"messages": [sum(pieces[1:], pieces[0])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    text, _ = texts(list[Any](graph.compile().stream(ask("How do tides work?"), stream_mode="messages")))
    assert text.count("[sandbox]") == 1


def test_events_of_the_agent_have_each_token_once(model: ChatOmni) -> None:
    async def collect() -> list[str]:
        events = agent_of(model).astream_events(ask("How do tides work?"), version="v2")
        return [event["data"]["chunk"].text async for event in events if event["event"] == "on_chat_model_stream"]

    assert "".join(asyncio.run(collect())).count("[sandbox]") == 1


def test_the_agents_custom_stream_has_the_decision_before_the_first_token(model: ChatOmni) -> None:
    parts = list(agent_of(model).stream(ask("How do tides work?"), stream_mode=["custom", "messages"]))
    events = [part["event"] for mode, part in parts if mode == "custom"]
    assert events == ["decision", "recorded"]
    assert parts[0][0] == "custom"
    assert parts[0][1]["decision"]["model"] == FIRST


def test_a_client_that_stops_listening_leaves_no_task_behind(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.chunk_delay = 0.01

    async def listen_briefly() -> set[Any]:
        pieces = model.astream("How do tides work?")
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
        for _ in range(100):  # Python ends the generators behind it in tasks of its own
            if len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(listen_briefly()) == set()


def test_an_agent_answers_in_the_form_of_a_schema(model: ChatOmni) -> None:
    result = agent_of(model, response_format=Trip).invoke(ask("Book a room for 3 nights in 'Rome'."))
    assert isinstance(result["structured_response"], Trip)
    assert result["structured_response"].nights == 3


def test_a_failure_inside_an_agent_reaches_its_caller(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.fail("payment_402", times=10)
    with pytest.raises(AnswerFailed) as caught:
        agent_of(model).invoke(ask("How do tides work?"))
    assert caught.value.kind == "payment"


# ---- the run around


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_traces_nest_under_the_models_own_run(model: ChatOmni, *, streaming: bool, asynchronous: bool) -> None:
    tree, agent = Tree(), agent_of(model)
    config: Any = {"callbacks": [tree]}
    question = ask("How do tides work?")

    async def run() -> None:
        if streaming:
            [_ async for _ in agent.astream(question, config, stream_mode="messages")]
        else:
            await agent.ainvoke(question, config)

    if asynchronous:
        asyncio.run(run())
    elif streaming:
        list(agent.stream(question, config, stream_mode="messages"))
    else:
        agent.invoke(question, config)
    path = tree.path_to("ChatHuggingFace")
    assert path.index("ChatOmni") < path.index("omni_router") < path.index("generate_text")


def test_a_counter_of_tokens_counts_an_answer_once(model: ChatOmni) -> None:
    counter = UsageMetadataCallbackHandler()
    answer = model.invoke("How do tides work?", {"callbacks": [counter]})
    assert counter.usage_metadata == {FIRST: answer.usage_metadata}


def test_the_agents_store_is_the_one_the_history_may_be_kept_in(
    services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    router.choose("question_answering")
    original = router.reply

    def reply(*args: Any) -> Any:
        seen.append(get_store())
        return original(*args)

    monkeypatch.setattr(router, "reply", reply)
    store = InMemoryStore()
    agent_of(ChatOmni(services=services), store=store).invoke(ask("How do tides work?"))
    assert seen == [store]


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
def test_a_compiled_graph_can_be_given(services: Services, router: ScriptedRouter, checkpointer: Any) -> None:
    router.choose("question_answering")
    model = ChatOmni(graph=build_graph(services).compile(checkpointer=checkpointer))
    assert model.invoke("How do tides work?").response_metadata["decision"]["model"] == FIRST


@pytest.mark.skipif(
    version("langchain-core") < "1.6", reason="before 1.6 langchain-core imports transformers, if it is installed"
)
def test_importing_the_model_loads_no_model_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from omni_router.agents.chat_model import ChatOmni; ChatOmni();"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


# ---- preferences and limits


@pytest.mark.parametrize(
    ("parameters", "settings"),
    [
        ({"model": "omni:cheapest"}, Settings(prefer="cheapest")),
        ({"model": "omni/summarization:0.02"}, Settings(route="summarization", prefer=0.02)),
        ({"model_name": "omni/summarization"}, Settings(route="summarization")),
        ({"model": "omni:cheapest", "prefer": "fastest"}, Settings(prefer="fastest")),
        ({"model": "omni"}, Settings()),
        (
            {"only": ["acme/*"], "never": ["*:slow"], "max_price": 1, "bill_to": "my-org", "reasoning_effort": "low"},
            Settings(only=("acme/*",), never=("*:slow",), max_price=1, bill_to="my-org", reasoning_effort="low"),
        ),
    ],
)
def test_preferences_and_limits_are_parameters(parameters: dict[str, Any], settings: Settings) -> None:
    assert ChatOmni(**parameters).settings == settings


def test_a_call_may_have_a_preference_of_its_own(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", FIRST)
    serving, inference = scripted(services, [AIMessageChunk(content="The moon.")])
    ChatOmni(services=serving, model=SECOND).invoke("How do tides work?", model="omni/summarization:best", max_price=5)
    [(_, _, settings)] = inference.asked
    assert settings == Settings(route="summarization", prefer="best", max_price=5)


@pytest.mark.parametrize("parameters", [{"model": "omni:cheap"}, {"prefer": "cheap"}, {"bill_to": "my org"}])
def test_a_preference_that_is_not_allowed_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"cheap|organization"):
        ChatOmni(**parameters)
