"""Pictures under /v1: made on request or in a chat, and shown to a model that sees."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from omni_router import Services, Settings
from omni_router._sandbox import Sandbox
from tests.support.openai_server import EYES, PAINTER, TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

PAINT: Any = [{"role": "user", "content": "Paint a red fox"}]
MARKDOWN = "![Generated image](data:image/png;base64,"


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("image_generation", PAINTER)
    with openai_server(services) as url:
        yield url


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def png(color: str = "red") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def looking_at(url: str) -> Any:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


def test_a_picture_comes_as_base64_and_the_router_is_not_asked_whether_one_is_wanted(
    client: OpenAI, router: ScriptedRouter
) -> None:
    response: Any = client.images.generate(model="omni", prompt="a fox", size="256x128", quality="high")
    assert picture(response.data[0].b64_json).size == (256, 128)
    assert response.model_extra["omni"]["task"] == "text-to-image"
    assert router.asked == []


def test_a_picture_comes_as_a_data_url_when_a_url_is_asked_for(client: OpenAI) -> None:
    response = client.images.generate(prompt="a fox", response_format="url", size="auto", n=1)
    assert response.data is not None
    assert (response.data[0].url or "").startswith("data:image/png;base64,")


def test_a_model_or_a_route_may_be_named_for_a_picture(client: OpenAI) -> None:
    response: Any = client.images.generate(model="sandbox/text-to-image-2", prompt="a fox")
    assert response.model_extra["omni"]["model"] == "sandbox/text-to-image-2"
    assert client.images.generate(model="omni/image_generation", prompt="a fox").data


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"prompt": "a fox", "n": 2}, 400, "n is 2: allowed is 1"),
        ({"prompt": "a fox", "size": "big"}, 400, "size is 'big': allowed are auto and WIDTHxHEIGHT in pixels"),
        ({"prompt": "a fox", "size": "1x1"}, 400, "each from 10 to 4096"),
        ({"prompt": "a fox", "size": "64x64x64"}, 400, "each from 10 to 4096"),
        ({"prompt": "a fox", "size": "9999x10"}, 400, "each from 10 to 4096"),
        ({"prompt": "a fox", "output_format": "webp"}, 400, "allowed is 'png'"),
        ({"prompt": "  "}, 400, "prompt"),
        ({}, 400, "'prompt' is missing"),
        ({"prompt": "a fox", "model": "dall-e-3"}, 404, "allowed are omni"),
        ({"prompt": "a fox", "model": "omni/summarization"}, 400, "omni/image_generation"),
        ({"prompt": "a fox", "stream": True}, 400, "stream"),
    ],
)
def test_what_of_a_picture_is_not_served_is_named(url: str, body: dict[str, Any], status: int, says: str) -> None:
    response = httpx.post(f"{url}/images/generations", json=body)
    assert response.status_code == status
    assert says in response.json()["error"]["message"]


def test_a_failure_of_a_picture_has_its_status(client: OpenAI, sandbox: Sandbox) -> None:
    sandbox.fail("payment_402")
    with pytest.raises(openai.APIStatusError, match="Add credit") as caught:
        client.images.generate(prompt="a fox")
    assert caught.value.status_code == 402


def test_a_policy_without_a_route_for_pictures_is_422(services: Services, write_policy: Any) -> None:
    write_policy(question_answering=[TEXT])
    with openai_server(services) as url:
        response = httpx.post(f"{url}/images/generations", json={"prompt": "a fox"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "no_route")


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_that_asks_for_a_picture_gets_it_as_markdown_and_no_path(
    url: str, tmp_path: Path, *, stream: bool
) -> None:
    body: Any = {"model": "omni", "messages": PAINT, "stream": stream}
    raw = httpx.post(f"{url}/chat/completions", json=body).text
    assert str(tmp_path) not in raw
    assert max(map(len, raw.splitlines())) < 64_000 or not stream, "clients read a stream line by line"
    with OpenAI(base_url=url, api_key="none") as client:
        response: Any = client.chat.completions.create(**body)
        if stream:
            text = "".join(piece.choices[0].delta.content or "" for piece in response)
        else:
            text = response.choices[0].message.content
    assert text.startswith(MARKDOWN)
    assert picture(text.removeprefix(MARKDOWN).removesuffix(")")).width > 0


def test_a_picture_that_comes_back_in_the_history_is_a_mark_to_the_next_model(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("image_generation", PAINTER)
    with openai_server(services) as url, OpenAI(base_url=url, api_key="none") as client:
        painted = client.chat.completions.create(model="omni", messages=PAINT).choices[0].message.content
        router.choose("question_answering", TEXT)
        thread: Any = [*PAINT, {"role": "assistant", "content": painted}, {"role": "user", "content": "Thanks!"}]
        response = client.chat.completions.create(model="omni", messages=thread)
    assert response.usage is not None
    assert response.usage.prompt_tokens < 100, "a picture's base64 would be thousands"


@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_in_a_message_reaches_a_model_that_sees(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    router.choose("image_understanding", EYES)
    with openai_server(services) as url, OpenAI(base_url=url, api_key="none") as client:
        for address, seen in ((png(), "a data URL, image/png"), ("https://example.org/a.png", "the address https")):
            response: Any = client.chat.completions.create(model="omni", messages=looking_at(address), stream=stream)
            if stream:
                text = "".join(piece.choices[0].delta.content or "" for piece in response)
            else:
                text = response.choices[0].message.content
            assert seen in text


def test_an_answer_that_no_model_streams_is_streamed_whole(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    """A describer of pictures gives its text at once."""
    router.choose("image_understanding", "sandbox/image-text-to-text-1")
    sandbox.fail("not_found_404")  # as a chat; then it is asked as a describer, which the sandbox answers or refuses
    with openai_server(services, Settings(max_models=1)) as url:
        body = {"messages": looking_at(png()), "stream": True}
        response = httpx.post(f"{url}/chat/completions", json=body)
    assert response.status_code in (200, 503)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"data:text/plain;base64,{base64.b64encode(b'I am a text').decode()}", "not a readable image"),
        (f"data:image/png;base64,{base64.b64encode(b'I am a text').decode()}", "not a readable image"),
        ("data:image/png;base64,%%%", "does not hold valid base64"),
        ("/etc/passwd", "use an http(s) address or a data URL"),
        ("file:///etc/passwd", "use an http(s) address or a data URL"),
        ("http://", "not the address of an image"),
    ],
)
def test_data_that_is_not_an_image_is_400(url: str, address: str, says: str) -> None:
    response = httpx.post(f"{url}/chat/completions", json={"messages": looking_at(address)})
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("messages[0].content[1].image_url")
    assert says in response.json()["error"]["message"]
