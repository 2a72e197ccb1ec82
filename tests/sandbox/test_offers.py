"""What providers list about a model on the sandbox, and what calls of them meet: driven by the real client only."""

from collections.abc import Iterator
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import HfApi, InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from omni_router._sandbox import SANDBOX_TOKEN, Offer, Sandbox, sandbox
from omni_router.hub.listing import chat_models

CHAT, OWN = "sandbox/text-generation-1", "acme/own"
CHEAP = Offer("novita", input_price=0.05, output_price=0.2, throughput=40.0, context_length=8_192)
FAST = Offer("together", input_price=0.3, output_price=0.9, throughput=400.0, context_length=32_768)
LONG = Offer("fireworks-ai", input_price=0.2, output_price=0.8, throughput=90.0, context_length=262_144)
DOWN = Offer("nscale", input_price=0.01, output_price=0.01, throughput=900.0, status="error")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox() as box:
        box.offer(OWN, CHEAP, FAST, LONG, DOWN, task="text-generation")
        yield box


def chat(prompt: str = "Hello", model: str = OWN, **more: Any) -> Any:
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        return client.chat_completion([{"role": "user", "content": prompt}], model=model, **more)


def listed(model: str) -> list[dict[str, Any]]:
    cards = huggingface_hub.get_session().get("https://router.huggingface.co/v1/models").json()["data"]
    (providers,) = [card["providers"] for card in cards if card["id"] == model]
    return list(providers)


# --- the lists -------------------------------------------------------------------------------------------------------


def test_the_router_lists_each_provider_with_its_own_terms(box: Sandbox) -> None:
    assert listed(OWN)[1] == {
        "provider": "together",
        "status": "live",
        "context_length": 32_768,
        "pricing": {"input": 0.3, "output": 0.9},
        "is_free": False,
        "supports_tools": True,
        "supports_structured_output": True,
        "first_token_latency_ms": 250,
        "throughput": 400.0,
    }
    assert [provider["status"] for provider in listed(OWN)] == ["live", "live", "live", "error"]


def test_the_hub_lists_a_declared_model_with_all_its_providers_and_their_status(box: Sandbox) -> None:
    models = {model.id: model for model in HfApi().list_models(expand=["inferenceProviderMapping"])}
    mapping = models[OWN].inference_provider_mapping
    assert mapping
    assert {entry.provider: entry.status for entry in mapping}["nscale"] == "error"


def test_what_is_not_known_is_left_out_and_absurd_values_are_listed_as_they_are(box: Sandbox) -> None:
    absurd = {"throughput": "fast", "context_length": -1, "pricing": {"input": 1e30, "output": True}, "extra": None}
    box.offer(
        CHAT, Offer("novita", context_length=None, input_price=None, output_price=None), Offer("together", raw=absurd)
    )
    bare, odd = listed(CHAT)
    assert bare.keys().isdisjoint({"context_length", "pricing"})
    assert {name: odd[name] for name in absurd} == absurd


def test_absurd_values_are_dropped_by_the_catalog_and_stop_no_call(box: Sandbox) -> None:
    absurd: tuple[Any, ...] = (None, -1, "131072", 1e30, True, [], {})
    for value in absurd:
        raw = {"context_length": value, "pricing": {"input": value, "output": value}}
        box.offer(CHAT, Offer("novita", raw=raw))
        (provider,) = next(model["providers"] for model in chat_models(None, 5.0) if model["id"] == CHAT)
        assert (provider["context_length"], provider["input_price"], provider["output_price"]) == (None, None, None)
        assert chat(model=CHAT).choices


def test_tools_can_be_taken_away_from_a_declared_provider(box: Sandbox) -> None:
    box.set_tools(OWN, ["together"])
    assert [provider["supports_tools"] for provider in listed(OWN)] == [False, True, False, False]


# --- who answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "provider"),
    [
        ("", "together"),
        (":fastest", "together"),
        (":auto", "together"),
        (":cheapest", "novita"),
        (":preferred", "novita"),
        (":fireworks-ai", "fireworks-ai"),
    ],
)
def test_the_router_chooses_a_live_provider_by_the_suffix(box: Sandbox, suffix: str, provider: str) -> None:
    chat(model=OWN + suffix)
    assert box.requests[-1].provider == provider
    assert box.requests[-1].model == OWN


def test_a_free_provider_is_the_cheapest_and_an_unknown_price_the_last(box: Sandbox) -> None:
    unknown = Offer("novita", input_price=None, output_price=None)
    free = Offer("together", is_free=True)
    box.offer(CHAT, unknown, CHEAP_ELSEWHERE, free)
    chat(model=f"{CHAT}:cheapest")
    assert box.requests[-1].provider == "together"
    box.offer(CHAT, unknown, CHEAP_ELSEWHERE)
    chat(model=f"{CHAT}:cheapest")
    assert box.requests[-1].provider == "nscale"


CHEAP_ELSEWHERE = Offer("nscale", input_price=0.01, output_price=0.01)


def test_the_answer_names_the_provider_in_a_header(box: Sandbox) -> None:
    response = huggingface_hub.get_session().post(
        "https://router.huggingface.co/v1/chat/completions",
        json={"model": f"{OWN}:cheapest", "messages": [{"role": "user", "content": "Hello"}]},
        headers={"authorization": f"Bearer {SANDBOX_TOKEN}"},
    )
    assert response.headers["x-inference-provider"] == "novita"


def test_a_provider_that_is_listed_as_failing_fails(box: Sandbox) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        chat(model=f"{OWN}:nscale")
    assert caught.value.response.status_code == 424
    box.offer(CHAT, DOWN)
    with pytest.raises(BadRequestError, match="not supported by any provider"):
        chat(model=CHAT)


def test_a_fault_can_be_planned_for_one_provider(box: Sandbox) -> None:
    box.fail("overloaded", provider="novita", times=2)
    assert chat().choices
    with pytest.raises(HfHubHTTPError):
        chat(model=f"{OWN}:cheapest")
    with pytest.raises(HfHubHTTPError):
        chat(model=f"{OWN}:novita")
    assert chat(model=f"{OWN}:novita").choices


# --- context and money -----------------------------------------------------------------------------------------------


def test_a_prompt_that_exceeds_the_context_of_its_provider_is_a_bad_request(box: Sandbox) -> None:
    prompt = "word " * 8_000  # 10,000 tokens
    with pytest.raises(BadRequestError) as caught:
        chat(prompt, f"{OWN}:novita")
    error = caught.value.response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "maximum context length is 8192 tokens" in error["message"]
    assert chat(prompt, f"{OWN}:together").usage.prompt_tokens > 8_192


def test_the_answer_needs_room_in_the_context_too(box: Sandbox) -> None:
    prompt = "word " * 6_000  # 7,500 tokens
    assert chat(prompt, f"{OWN}:novita", max_tokens=600).choices
    with pytest.raises(BadRequestError, match="1000 in the completion"):
        chat(prompt, f"{OWN}:novita", max_tokens=1_000)


def test_tools_and_earlier_calls_of_them_count_as_prompt(box: Sandbox) -> None:
    plain = chat().usage.prompt_tokens
    tool = {"type": "function", "function": {"name": "look_up", "description": "x" * 4_000, "parameters": {}}}
    assert chat(tools=[tool]).usage.prompt_tokens > plain + 1_000


def test_scripts_with_more_tokens_a_character_count_more(box: Sandbox) -> None:
    latin, chinese = chat("a" * 400).usage.prompt_tokens, chat("路" * 400).usage.prompt_tokens
    assert chinese == pytest.approx(3 * latin, abs=10)


def test_what_an_answer_costs_can_be_recomputed_from_its_usage_and_the_list(box: Sandbox) -> None:
    answer = chat("word " * 1_000, f"{OWN}:cheapest")
    provider = box.requests[-1].provider
    (prices,) = [each["pricing"] for each in listed(OWN) if each["provider"] == provider]
    usage = answer.usage
    cost = (prices["input"] * usage.prompt_tokens + prices["output"] * usage.completion_tokens) / 1_000_000
    assert CHEAP.cost(usage.prompt_tokens, usage.completion_tokens) == pytest.approx(cost)
    assert cost > 0.00005
    assert Offer("novita", is_free=True).cost(1_000, 1_000) == 0
    assert Offer("novita", output_price=None).cost(1_000, 1_000) is None


# --- bent answers ----------------------------------------------------------------------------------------------------


def test_an_answer_can_be_bent_whole_or_event_by_event(box: Sandbox) -> None:
    def rename(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "model": "bent"}

    box.bend("/v1/chat/completions", rename)
    assert chat().model == "bent"
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        chunks = list(client.chat_completion([{"role": "user", "content": "Hello"}], model=OWN, stream=True))
    assert {chunk.model for chunk in chunks} == {"bent"}
    box.bend("/api/models", lambda _body: [])
    assert list(HfApi().list_models()) == []
