"""/v1/responses with OpenAI's own client: answers at once and as events, each checked against the client's types."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessageChunk
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from omni_router import Services
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.server.openai import stream as streaming
from tests.support.openai_server import EYES, TEXT, openai_server, scripted
from tests.support.pictures import DOT
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION = "How do tides work?"
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

BEGINNING = ["response.created", "response.in_progress"]
REASONING = [
    "response.output_item.added",
    "response.content_part.added",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
SUMMARY = [
    "response.output_item.added",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_summary_part.done",
    "response.output_item.done",
]
MESSAGE = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def create(client: OpenAI, **parameters: Any) -> Any:
    """Return a response whose whole body has the types of the client."""
    response = client.responses.create(**{"model": "omni", "input": QUESTION, **parameters})
    return Response.model_validate(response.model_dump(mode="json", warnings=False), strict=True)


def events(url: str, **parameters: Any) -> list[Any]:
    """Return the events of a stream, each of the client's types, numbered without a gap and named twice."""
    body = {"model": "omni", "input": QUESTION, "stream": True, **parameters}
    blocks = httpx.post(f"{url}/responses", json=body).raise_for_status().text.strip().split("\n\n")
    read = []
    for number, block in enumerate(blocks):
        name, data = block.split("\n")
        event = EVENTS.validate_python(json.loads(data.removeprefix("data: ")), strict=True)
        assert name == f"event: {event.type}"
        assert event.sequence_number == number
        read.append(event)
    return read


def order(events: list[Any]) -> list[str]:
    """Return the types of events; of several deltas in a row only the first."""
    types = [event.type for event in events]
    return [kind for kind, before in zip(types, ["", *types], strict=False) if kind != before]


def test_a_response_has_the_decision_in_headers_and_body(client: OpenAI) -> None:
    raw = client.responses.with_raw_response.create(
        model="omni", input=QUESTION, instructions="Be brief.", metadata={"team": "sea"}, user="ada"
    )
    response: Any = raw.parse()
    Response.model_validate(raw.http_response.json(), strict=True)
    assert response.output_text.startswith(f"[sandbox] Simulated answer of {TEXT}")
    assert (response.status, response.model, response.object) == ("completed", TEXT, "response")
    assert (response.instructions, response.metadata) == ("Be brief.", {"team": "sea"})
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert response.omni["route"] == "question_answering"
    assert raw.headers["x-omni-decision"] == response.omni["id"]
    assert raw.headers["x-omni-ignored"] == "user"


def test_a_stream_has_openais_events_in_their_order(url: str) -> None:
    read = events(url)
    assert order(read) == [*BEGINNING, *MESSAGE, "response.completed"]
    deltas = [event.delta for event in read if event.type == "response.output_text.delta"]
    assert len(deltas) > 3
    [item] = read[-1].response.output
    assert item.content[0].text == "".join(deltas)
    assert {event.item_id for event in read if hasattr(event, "item_id")} == {item.id}
    assert (read[0].response.status, read[0].response.output) == ("in_progress", [])
    assert read[0].response.model_extra["omni"]["route"] == "question_answering"
    assert read[-1].response.id == read[0].response.id
    assert read[-1].response.usage.output_tokens > 0


def test_a_stream_and_a_whole_response_say_the_same(url: str, client: OpenAI) -> None:
    with client.responses.stream(model="omni", input=QUESTION) as stream:
        streamed = stream.get_final_response()
    assert streamed.output_text == create(client).output_text
    assert streamed.model == TEXT


@pytest.mark.parametrize(("summary", "middle"), [(None, REASONING), ("auto", SUMMARY)])
def test_reasoning_is_an_item_before_the_message(
    url: str, client: OpenAI, sandbox: Sandbox, summary: str | None, middle: list[str]
) -> None:
    sandbox.set_reasoning(TEXT, Reasoning())
    parameters: Any = {"reasoning": {"effort": "low", "summary": summary}}
    read = events(url, **parameters)
    assert order(read) == [*BEGINNING, *middle, *MESSAGE, "response.completed"]
    whole = create(client, **parameters)
    for response in (read[-1].response, whole):
        reasoning, message = response.output
        [part] = reasoning.summary if summary else reasoning.content
        assert part.text.startswith("[sandbox] Simulated reasoning")
        assert "Simulated answer" in message.content[0].text
        assert response.usage.output_tokens_details.reasoning_tokens == 12


def test_reasoning_comes_back_from_a_client_that_sends_the_encrypted_form_alone(
    client: OpenAI, sandbox: Sandbox
) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(back="demanded"))
    tool: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    history: Any = [{"role": "user", "content": "What is the weather?"}]
    first = create(client, input=history, tools=[tool], include=["reasoning.encrypted_content"])
    reasoning, call = first.model_dump(mode="json", exclude_none=True)["output"]
    del reasoning["content"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    last = create(client, input=[*history, reasoning, call, result], tools=[tool])
    assert "rain" in last.output_text
    assert [attempt["outcome"] for attempt in last.model_extra["omni"]["attempts"]] == ["answered"]


def test_the_next_model_goes_on_in_a_stream_whose_first_one_only_reasoned(url: str, sandbox: Sandbox) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(default_limit=10))
    read = events(url)
    assert order(read) == [*BEGINNING, *REASONING, *MESSAGE, "response.completed"]
    response = read[-1].response
    assert read[0].response.model == TEXT != response.model
    assert f"answer of {response.model}" in response.output[1].content[0].text
    outcomes = [attempt["outcome"] for attempt in response.model_extra["omni"]["attempts"]]
    assert outcomes == ["malformed_answer", "answered"]


def test_the_limit_of_tokens_makes_a_response_incomplete(url: str, client: OpenAI) -> None:
    response = create(client, max_output_tokens=5)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output[0].status == "incomplete"
    read = events(url, max_output_tokens=5)
    assert read[-1].type == "response.incomplete"
    assert read[-1].response.incomplete_details.reason == "max_output_tokens"
    assert read[-2].item.status == "incomplete"


class Weather(BaseModel):
    city: str
    degrees: int


def test_parse_gives_an_object_of_the_class_asked_for(client: OpenAI, sandbox: Sandbox) -> None:
    response = client.responses.parse(model="omni", input=QUESTION, text_format=Weather)
    assert isinstance(response.output_parsed, Weather)
    form = sandbox.requests[-1].parameters["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )


def test_an_image_reaches_a_model_that_sees(client: OpenAI, router: ScriptedRouter) -> None:
    router.choose("image_understanding", EYES)
    content: Any = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": DOT, "detail": "auto"},
    ]
    response = create(client, input=[{"role": "user", "content": content}])
    assert response.model == EYES
    assert "image/png" in response.output_text


def test_a_failure_before_the_first_event_has_a_status(client: OpenAI, sandbox: Sandbox) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.responses.create(model="omni", input="Go [[sandbox:token_401]]", stream=True)
    assert caught.value.code == "token"
    with pytest.raises(openai.NotFoundError, match="There is no route 'cooking'"):
        client.responses.create(model="omni/cooking", input=QUESTION)


def test_a_failure_within_a_stream_is_an_error_and_a_failed_response(
    url: str, client: OpenAI, sandbox: Sandbox
) -> None:
    sandbox.fail("stream_cut")
    read = events(url)
    assert [event.type for event in read[-2:]] == ["error", "response.failed"]
    assert read[-2].code == "overloaded"
    sandbox.fail("stream_cut")
    with pytest.raises(openai.APIError, match="could not answer right now") as caught:
        list(client.responses.create(model="omni", input=QUESTION, stream=True))
    assert caught.value.code == "overloaded"
    assert read[-1].response.status == "failed"
    assert read[-1].response.error.code == "server_error"
    assert read[-1].response.model_extra["omni"]["attempts"][0]["partial"]


def test_an_answer_that_came_back_keeps_its_decision(client: OpenAI, router: ScriptedRouter) -> None:
    first = create(client)
    asked = len(router.asked)
    again = create(
        client,
        input=[{"role": "user", "content": QUESTION}, *first.model_dump(mode="json")["output"]],
        extra_body={"omni_another": True},
    )
    assert len(router.asked) == asked, "the route of the answer is known"
    assert again.model != first.model


def test_a_generated_image_comes_as_markdown_in_short_events(services: Services, router: ScriptedRouter) -> None:
    router.choose("image_generation", "sandbox/text-to-image-1")
    with openai_server(services) as url:
        read = events(url, input="Draw a fox")
    deltas = [event.delta for event in read if event.type == "response.output_text.delta"]
    assert "".join(deltas).startswith("![Generated image](data:image/png;base64,")
    assert max(map(len, deltas)) <= 16_384
    assert read[-1].response.output[0].content[0].text == "".join(deltas)


def test_a_model_without_words_still_ends_with_an_item(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    serving, _ = scripted(services, [AIMessageChunk(content="")])
    with openai_server(serving) as url:
        counted = Counter(event.type for event in events(url))
    assert counted["response.output_item.done"] == counted["response.completed"] == 1


def test_comments_keep_a_stream_alive(
    url: str, client: OpenAI, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.05)
    sandbox.latency = 0.4
    body = {"model": "omni", "input": QUESTION, "stream": True}
    assert ": waiting" in httpx.post(f"{url}/responses", json=body).text
    assert list(client.responses.create(model="omni", input=QUESTION, stream=True))[-1].type == "response.completed"
