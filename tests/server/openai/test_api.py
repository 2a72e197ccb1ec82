"""/v1 on a real uvicorn, driven with OpenAI's own client: chats at once and in pieces, models, the decision alone."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessageChunk
from openai import AsyncOpenAI, OpenAI

from omni_router import Services, Settings
from omni_router._sandbox import Offer, Sandbox
from omni_router.hub.catalog import HubCatalog
from omni_router.server.openai import stream as streaming
from tests.support.openai_server import EYES, TEXT, openai_server, scripted
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def test_a_chat_is_answered_with_the_decision_in_headers_and_body(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="omni", messages=QUESTION)
    response: Any = raw.parse()
    assert response.choices[0].message.content.startswith(f"[sandbox] Simulated answer of {TEXT}")
    assert (response.model, response.choices[0].finish_reason) == (TEXT, "stop")
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens > 0
    omni = response.model_extra["omni"]
    assert (omni["route"], omni["model"], omni["source"]) == ("question_answering", TEXT, "router")
    assert "answer" not in omni
    assert raw.headers["x-omni-route"] == "question_answering"
    assert raw.headers["x-omni-decision"] == omni["id"]
    assert float(raw.headers["x-omni-confidence"]) == 0.9


def test_a_stream_gives_pieces_the_decision_first_and_last_and_usage_when_asked(client: OpenAI) -> None:
    pieces: Any = list(
        client.chat.completions.create(
            model="omni", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    texts = [piece.choices[0].delta.content for piece in pieces if piece.choices]
    assert sum(bool(text) for text in texts) > 3
    assert "".join(text or "" for text in texts).startswith("[sandbox] Simulated answer")
    assert pieces[0].model_extra["omni"]["route"] == "question_answering"
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-2].model_extra["omni"]["attempts"][0]["outcome"] == "answered"
    assert pieces[-1].choices == []
    assert pieces[-1].usage.completion_tokens > 0


def test_a_stream_without_include_usage_has_none_and_ends_with_done(url: str) -> None:
    body = {"model": "omni", "messages": QUESTION, "stream": True}
    lines = httpx.post(f"{url}/chat/completions", json=body).text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    assert all("usage" not in json.loads(line.removeprefix("data: ")) for line in lines[:-1])


def test_the_async_client_runs_two_at_once(services: Services, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("question_answering", TEXT)
    sandbox.latency = 0.5

    async def both(url: str) -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def streamed() -> str:
                stream = await client.chat.completions.create(model="omni", messages=QUESTION, stream=True)
                return "".join([p.choices[0].delta.content or "" async for p in stream])

            plain, pieces = await asyncio.gather(
                client.chat.completions.create(model="omni", messages=QUESTION), streamed()
            )
            return [plain.choices[0].message.content or "", pieces]

    with openai_server(services) as url:
        first, second = asyncio.run(both(url))
    assert first == second
    assert first.startswith("[sandbox]")


def test_what_a_request_names_reaches_the_specialist(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, [AIMessageChunk(content="Hi.")], [AIMessageChunk(content="Hi.")])
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    with openai_server(serving, Settings(max_models=2)) as url, OpenAI(base_url=url, api_key="none") as client:
        client.chat.completions.create(
            model="omni",
            messages=[{"role": "developer", "content": "Be brief."}, *QUESTION],
            temperature=0.1,
            top_p=0.5,
            seed=7,
            stop=["\n", "END"],
            max_tokens=3,
            max_completion_tokens=5,
            response_format=form,
            user="u",
            metadata={"a": "b"},
            store=True,
            n=1,
        )
        client.chat.completions.create(model="omni", messages=QUESTION, stop="x")
    _, messages, knobs = inference.asked[0]
    assert [(message.type, message.text) for message in messages] == [
        ("system", "Be brief."),
        ("human", "How do tides work?"),
    ]
    assert (knobs.temperature, knobs.top_p, knobs.seed, knobs.stop) == (0.1, 0.5, 7, ("\n", "END"))
    assert (knobs.max_new_tokens, knobs.response_format) == (5, form)
    assert inference.asked[1][2].stop == ("x",)
    assert knobs.max_models == 2, "what the graph was built with still holds"


def test_models_lists_the_routers_choice_the_routes_and_the_hubs_models_once_each(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[:2] == ["omni", "omni/casual_conversation"]
    assert {"omni/image_generation", TEXT, EYES, "sandbox/text-to-image-1"} <= set(names)
    assert len(names) == len(set(names))
    assert client.models.retrieve(TEXT).owned_by == "sandbox"
    with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
        client.models.retrieve("nobody/nothing")


def test_models_were_made_when_the_hub_says_else_when_the_server_started(
    client: OpenAI, services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    created = {model.id: datetime.fromtimestamp(model.created, timezone.utc) for model in client.models.list()}
    assert created[TEXT] == datetime(2025, 1, 1, tzinfo=timezone.utc)
    assert datetime.now(timezone.utc) - created["omni"] < timedelta(hours=1)
    sandbox.fail("catalog_503", times=9)  # then the router's list is read, which knows no time of these
    with openai_server(replace(services, catalog=HubCatalog())) as url, OpenAI(base_url=url, api_key="none") as other:
        assert all(model.created > 1_700_000_000 for model in other.models.list())


@pytest.mark.parametrize("name", ["sandbox/text-generation-2", "sandbox/text-generation-2:novita"])
def test_a_model_of_the_hub_may_be_named_and_is_the_only_one_called(
    client: OpenAI, sandbox: Sandbox, name: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(model=name, messages=QUESTION)
    assert raw.parse().model == "sandbox/text-generation-2"
    assert raw.headers["x-omni-source"] == "caller"
    sandbox.fail("overloaded_503", model="sandbox/text-generation-2")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=name, messages=QUESTION)
    assert caught.value.status_code == 503


def test_a_model_that_is_not_on_the_hub_is_404(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Check the model's name") as caught:
        client.chat.completions.create(model="acme/counsel-70b", messages=QUESTION)
    assert caught.value.code == "model_not_found"


def test_a_route_may_be_named_and_the_router_is_not_asked(client: OpenAI, router: ScriptedRouter) -> None:
    raw = client.chat.completions.with_raw_response.create(model="omni/Summarization", messages=QUESTION)
    assert raw.headers["x-omni-route"] == "summarization"
    assert router.asked == []


def test_a_conversation_stays_with_its_model(client: OpenAI, router: ScriptedRouter) -> None:
    """As a thread does: the answer that comes back is known again by its text."""
    response = client.chat.completions.create(model="sandbox/text-generation-3", messages=QUESTION)
    router.choose("question_answering")
    thread: Any = [*QUESTION, {"role": "assistant", "content": response.choices[0].message.content}, *QUESTION]
    assert client.chat.completions.create(model="omni", messages=thread).model == "sandbox/text-generation-3"


def test_route_shows_where_a_chat_would_go_and_calls_no_model(url: str, sandbox: Sandbox) -> None:
    response = httpx.post(f"{url}/route", json={"model": "omni", "messages": QUESTION, "stream": True})
    assert response.json()["route"] == "question_answering"
    assert response.json()["model"] == TEXT
    assert (response.json()["attempts"], response.headers["x-omni-model"]) == ([], TEXT)
    assert not [record for record in sandbox.requests if record.method == "POST"]


def test_route_answers_that_none_fits_as_a_decision(url: str, router: ScriptedRouter) -> None:
    router.choose("other")
    response = httpx.post(f"{url}/route", json={"messages": QUESTION, "omni_fallback_route": "none"})
    assert response.status_code == 200
    assert (response.json()["route"], response.json()["error"]["kind"]) == ("other", "no_route")
    response = httpx.post(f"{url}/route", json={"messages": QUESTION})
    assert (response.json()["route"], response.json()["proposed_route"]) == ("question_answering", "other")


def test_a_prompt_of_five_megabytes_is_answered_where_an_offer_holds_it(client: OpenAI, sandbox: Sandbox) -> None:
    sandbox.offer(TEXT, Offer("together", context_length=4_000_000))
    huge: Any = [{"role": "user", "content": "tides " * 870_000}]
    response: Any = client.chat.completions.create(model="omni", messages=huge)
    assert response.usage.prompt_tokens > 1_000_000


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_in_an_answer_is_passed_on(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    """Some providers cut an emoji in two between the pieces of a stream."""
    router.choose("question_answering", TEXT)
    halves = [AIMessageChunk(content="\ud83c"), AIMessageChunk(content="\udf0a")]
    serving, _ = scripted(services, halves)
    with openai_server(serving) as url:
        response = httpx.post(f"{url}/chat/completions", json={"messages": QUESTION, "stream": stream})
    assert response.status_code == 200
    assert "\\ud83c" in response.text


def test_a_fallback_before_the_first_token_is_in_headers_and_last_piece(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.fail("overloaded_503", model=TEXT)
    body = {"model": "omni", "messages": QUESTION, "stream": True}
    with openai_server(services) as url:
        response = httpx.post(f"{url}/chat/completions", json=body)
    first, *_, last, done = response.text.strip().split("\n\n")
    answered = response.headers["x-omni-model"]
    assert answered != TEXT
    assert json.loads(first.removeprefix("data: "))["model"] == answered
    attempts = json.loads(last.removeprefix("data: "))["omni"]["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["overloaded", "answered"]
    assert done == "data: [DONE]"


def test_a_slow_model_has_the_stream_begun_and_kept_alive_with_comments(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    router.choose("question_answering", TEXT)
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.1)
    sandbox.latency = 1.0
    body: Any = {"model": "omni", "messages": QUESTION, "stream": True}
    with openai_server(services) as url:
        response = httpx.post(f"{url}/chat/completions", json=body)
        assert response.text.count(": waiting\n\n") >= 2
        assert response.headers["x-omni-model"] == TEXT
        with OpenAI(base_url=url, api_key="none") as client:
            pieces = list(client.chat.completions.create(**body))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces).startswith("[sandbox]")


def test_a_route_of_any_name_fits_into_a_header(services: Services, router: ScriptedRouter, write_policy: Any) -> None:
    write_policy(**{"größe & co": [TEXT]})
    router.choose("größe & co", TEXT)
    with openai_server(services) as url:
        response = httpx.post(f"{url}/route", json={"messages": QUESTION})
    assert response.json()["route"] == "größe & co"
    assert response.headers["x-omni-route"] == "gr%C3%B6%C3%9Fe%20%26%20co"


def test_a_path_or_method_that_is_not_served_is_refused_with_those_that_are(url: str) -> None:
    for response, status in ((httpx.post(f"{url}/audio/speech", json={}), 404), (httpx.get(f"{url}/route"), 405)):
        assert response.status_code == status
        assert "POST /v1/chat/completions" in response.json()["error"]["message"]
