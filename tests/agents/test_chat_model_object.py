"""ChatOmni as an object: made, configured, copied, pickled, shown and measured, with LangChain's own tools."""

import copy
import pickle
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import SANDBOX_TOKEN, Sandbox
from omni_router.agents.base_chat_model import GraphSource, LazyGraph
from omni_router.agents.chat_model import ChatOmni
from omni_router.agents.profile import MAX_INPUT_TOKENS
from omni_router.errors import ConfigurationError, InvalidRequest
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND = "sandbox/text-generation-1", "sandbox/text-generation-2"
QUESTION = "How do tides work?"
WORDS = "word " * 400  # 500 tokens by the rule of thumb
CHINESE = "潮汐是由月球和太阳的引力引起的海水涨落现象。"


@pytest.fixture
def model(services: Services, router: ScriptedRouter) -> ChatOmni:
    router.choose("question_answering")
    return ChatOmni(services=services)


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    return f"It rains in {city}."


class Handler(BaseCallbackHandler):
    """A user's own handler."""


class LockedHandler(BaseCallbackHandler):
    """A handler that holds what cannot be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


# ---- made


@pytest.mark.parametrize("name", ["gpt-4o", "a/b/c", "acme/chat-1:NOT A PROVIDER", ""])
def test_a_model_that_is_not_an_id_is_refused_when_the_object_is_made(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"allowed are org/name") as caught:
        ChatOmni(model=name)
    assert repr(name) in str(caught.value)


def test_an_unknown_parameter_is_refused_when_the_object_is_made_or_copied(model: ChatOmni) -> None:
    with pytest.raises(InvalidRequest, match="temprature"):
        ChatOmni(temprature=0)
    with pytest.raises(InvalidRequest, match="temprature"):
        model.model_copy(update={"temprature": 0})


def test_no_field_of_settings_hides_an_attribute_of_langchains_models() -> None:
    from langchain_core.language_models import BaseChatModel

    attributes = {*dir(BaseChatModel), *BaseChatModel.model_fields}
    assert not attributes & {*Settings.model_fields}


# ---- configured


def test_a_field_of_settings_can_be_made_configurable(services: Services, model: ChatOmni) -> None:
    fields: Any = {
        "max_new_tokens": ConfigurableField(id="length"),
        "route": ConfigurableField(id="route"),
        "temperature": ConfigurableField(id="t"),
    }
    configurable = model.configurable_fields(**fields)
    assert len(configurable.invoke(QUESTION).text.split()) > 4
    configured = configurable.with_config(configurable={"length": 4, "route": "summarization", "t": 0})
    answer = configured.invoke(QUESTION)
    assert len(answer.text.split()) == 4
    assert answer.response_metadata["decision"]["route"] == "summarization"
    assert model.settings == ChatOmni(services=services).settings, "the model itself keeps its own"
    specs = {spec.id: spec for spec in configurable.config_specs}
    assert (specs["t"].default, specs["t"].annotation) == (None, float | None)
    assert specs["t"].description == Settings.model_fields["temperature"].description


def test_a_configured_value_that_is_not_allowed_is_refused(model: ChatOmni) -> None:
    configurable = model.configurable_fields(temperature=ConfigurableField(id="t"))
    with pytest.raises(InvalidRequest, match="temperature"):
        configurable.with_config(configurable={"t": 7}).invoke(QUESTION)


def test_a_configurable_model_compiles_its_graph_once(model: ChatOmni, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def counting(services: Services) -> Any:
        compiled.append(services)
        return build_graph(services)

    monkeypatch.setattr("omni_router.graph.build_graph", counting)
    configurable = model.configurable_fields(temperature=ConfigurableField(id="t"))
    for temperature in (0, 0.5, 1):
        configurable.with_config(configurable={"t": temperature}).invoke(QUESTION)
    assert len(compiled) == 1


# ---- copied


def test_copies_with_other_services_work_with_those(
    services: Services, model: ChatOmni, router: ScriptedRouter
) -> None:
    from dataclasses import replace

    other = ScriptedRouter()
    other.choose("summarization")
    model.invoke(QUESTION)
    copied = model.model_copy(update={"services": replace(services, router=other)})
    assert copied.invoke(QUESTION).response_metadata["decision"]["route"] == "summarization"
    assert model.invoke(QUESTION).response_metadata["decision"]["route"] == "question_answering"


def test_services_and_a_graph_that_are_set_take_effect(services: Services, model: ChatOmni) -> None:
    from dataclasses import replace

    other = ScriptedRouter()
    other.choose("summarization")
    model.invoke(QUESTION)
    model.graph = build_graph(replace(services, router=other)).compile()
    assert model.invoke(QUESTION).response_metadata["decision"]["route"] == "summarization"


@pytest.mark.parametrize("deep", [False, True])
def test_an_update_of_a_copy_is_read_like_the_parameters_of_a_new_model(model: ChatOmni, *, deep: bool) -> None:
    model = model.model_copy(update={"max_tokens": 3, "route": "summarization"}, deep=deep)
    assert (model.max_new_tokens, model.route) == (3, "summarization")
    assert len(model.invoke(QUESTION).text.split()) == 3
    assert model.model_copy(update={"route": None}, deep=deep).settings == Settings(max_new_tokens=3)
    assert model.model_copy(update={"settings": Settings(seed=1)}, deep=deep).settings == Settings(seed=1)
    with pytest.raises(InvalidRequest, match="temperature"):
        model.model_copy(update={"temperature": 7}, deep=deep)
    with pytest.raises(ConfigurationError, match="skip_specialists"):
        model.model_copy(update={"skip_specialists": True}, deep=deep)


def test_a_deep_copy_shares_what_is_live_and_answers(services: Services) -> None:
    model = ChatOmni(
        services=services,
        route="question_answering",
        callbacks=[LockedHandler()],
        rate_limiter=InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001),
    )
    model.invoke(QUESTION)
    copied = copy.deepcopy(model)
    assert copied.services is services
    assert copied.settings == model.settings
    assert copied.invoke(QUESTION).text == model.invoke(QUESTION).text


# ---- pickled


def test_a_model_that_comes_out_of_a_pickle_answers(sandbox: Sandbox) -> None:
    model = ChatOmni(temperature=0, route="question_answering", profile={"max_input_tokens": 8000})
    model.invoke(QUESTION)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 (its own)
    assert (copy.settings, copy.profile) == (model.settings, model.profile)
    assert copy.invoke(QUESTION).text == model.invoke(QUESTION).text


def test_a_pickle_holds_no_token(sandbox: Sandbox) -> None:
    model = ChatOmni(api_key="hf_secret", route="question_answering")
    model.invoke(QUESTION)
    written = pickle.dumps(model)
    assert b"hf_secret" not in written
    sandbox.requests.clear()
    pickle.loads(written).invoke(QUESTION)  # noqa: S301 (its own)
    assert {record.token for record in sandbox.requests if record.method == "POST"} == {SANDBOX_TOKEN}


@pytest.mark.parametrize("name", ["services", "graph"])
def test_a_model_with_live_objects_says_that_it_cannot_be_pickled(services: Services, name: str) -> None:
    live_objects = {"services": services, "graph": build_graph(services).compile()}
    with pytest.raises(TypeError, match=rf"given {name}.*model_copy\(update=\{{'{name}': {name}\}}\)"):
        pickle.dumps(ChatOmni(**{name: live_objects[name]}))


# ---- shown


def test_a_models_repr_is_what_it_was_made_with(services: Services) -> None:
    assert repr(ChatOmni()) == "ChatOmni()"
    model = ChatOmni(services=services, temperature=0, max_tokens=5, api_key="hf_secret")
    assert repr(model) == "ChatOmni(max_new_tokens=5, temperature=0.0)"
    handler = Handler()
    assert repr(ChatOmni(callbacks=[handler])) == f"ChatOmni(callbacks=[{handler!r}])"
    assert repr(ChatOmni(profile={"max_input_tokens": 8})) == "ChatOmni(profile={'max_input_tokens': 8})"


@pytest.mark.parametrize("callbacks", [[Handler()], CallbackManager([Handler()])])
def test_a_rebuilt_model_listens_to_its_runs_once(callbacks: Any) -> None:
    once = ChatOmni(callbacks=callbacks)
    twice = ChatOmni(callbacks=once.callbacks)
    copied = ChatOmni().model_copy(update={"callbacks": callbacks})
    callback_lists: list[Any] = [once.callbacks, twice.callbacks, copied.callbacks]
    assert [len(each if isinstance(each, list) else each.handlers) for each in callback_lists] == [2, 2, 2]


# ---- measured


def test_trim_messages_trims_to_what_the_model_counts() -> None:
    messages = [SystemMessage("Be brief."), *(HumanMessage(f"{number} {WORDS}") for number in range(10))]
    trimmed = trim_messages(messages, max_tokens=1200, token_counter=ChatOmni(), include_system=True)
    assert [message.text[:2] for message in trimmed] == ["Be", "8 ", "9 "]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("", 0, 0), (WORDS, 450, 550), (CHINESE, 14, 22), ("Приливы вызывает Луна.", 8, 14), ("\ud800", 1, 1)],
)
def test_the_tokens_of_a_text_are_estimated_in_every_script(text: str, least: int, most: int) -> None:
    """A word is a token and a bit; of Chinese, a character is at most one token and more than half of one."""
    assert least <= ChatOmni().get_num_tokens(text) <= most


def test_images_tool_calls_and_tools_count_and_the_bytes_of_an_image_do_not() -> None:
    model = ChatOmni()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 100_000}"}}
    plain: list[Any] = [HumanMessage([{"type": "text", "text": QUESTION}])]
    with_image: list[Any] = [HumanMessage([{"type": "text", "text": QUESTION}, image])]
    count = model.get_num_tokens_from_messages
    assert 100 < count(with_image) - count(plain) < 1000
    call = {"name": "get_weather", "args": {"city": "Rome" * 100}, "id": "1", "type": "tool_call"}
    loop: list[Any] = [AIMessage("", tool_calls=[call]), ToolMessage(WORDS, tool_call_id="1")]
    assert count(loop) > 100 + 450
    assert count(plain, tools=[get_weather]) > count(plain) + 10


def test_a_tokenizer_of_the_callers_counts_instead() -> None:
    model = ChatOmni(custom_get_token_ids=lambda text: [ord(letter) for letter in text])
    assert model.get_num_tokens("tides") == 5
    assert model.get_num_tokens_from_messages([HumanMessage("tides")]) - 5 < 10
    assert model.get_token_ids("ab") == [97, 98]
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        ChatOmni().get_token_ids("tides")


# ---- its profile


def conversation(turns: int) -> list[AnyMessage]:
    pairs = [(HumanMessage(f"{number} {WORDS}"), AIMessage(WORDS)) for number in range(turns)]
    return [message for pair in pairs for message in pair]


@pytest.mark.parametrize(("limit", "summarized"), [(None, False), (8000, True)])
def test_summarization_starts_at_a_share_of_what_the_model_takes(
    services: Services, router: ScriptedRouter, limit: int | None, *, summarized: bool
) -> None:
    """Ten turns are 10,000 tokens: more than 80% of 8,000, and less than 80% of the default."""
    router.choose("question_answering")
    model = ChatOmni(services=services, **({"profile": {"max_input_tokens": limit}} if limit else {}))
    middleware: Any = SummarizationMiddleware(model, trigger=("fraction", 0.8), keep=("messages", 2))
    agent: Any = create_agent(model=model, tools=[get_weather], middleware=[middleware])
    messages = agent.invoke({"messages": [*conversation(10), HumanMessage(QUESTION)]})["messages"]
    assert (len(messages) < 10) is summarized
    assert ("summary" in messages[0].text) is summarized
    assert messages[-1].text.startswith("[sandbox]")


def test_the_default_profile_is_stated_and_each_models_own() -> None:
    profile = ChatOmni().profile
    assert profile is not None
    assert profile["max_input_tokens"] == MAX_INPUT_TOKENS == 32_000
    assert (profile["tool_calling"], profile["image_inputs"], profile["structured_output"]) == (True, True, False)
    profile["max_input_tokens"] = 1
    assert ChatOmni().profile != profile


def test_an_agents_form_of_an_answer_is_still_asked_for_by_a_tool(model: ChatOmni) -> None:
    from pydantic import BaseModel

    class Trip(BaseModel):
        """A trip to book."""

        city: str

    agent: Any = create_agent(model=model, tools=[get_weather], response_format=Trip)
    result = agent.invoke({"messages": [HumanMessage("Book a room in 'Rome'.")]})
    assert result["structured_response"] == Trip(city="Rome")
    assert any(isinstance(message, ToolMessage) for message in result["messages"])


# ---- build_graph


def test_settings_in_the_place_of_services_are_refused_with_what_to_write() -> None:
    wrong: Any = Settings(max_models=2)
    with pytest.raises(ConfigurationError, match=r"build_graph\(settings=Settings\(\.\.\.\)\)"):
        build_graph(wrong)


def test_anything_else_in_the_place_of_services_is_refused_by_its_type() -> None:
    wrong: Any = {"configurable": {}}
    with pytest.raises(ConfigurationError, match="dict"):
        build_graph(wrong)


def test_the_graph_is_compiled_once_by_threads_that_come_together(services: Services) -> None:
    lazy = LazyGraph(GraphSource(None, services, None))
    graphs: list[Any] = []
    threads = [threading.Thread(target=lambda: graphs.append(lazy.compiled())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in graphs}) == 1
