"""What the client gets over the wire can be watched, packed or streamed, and no token is kept."""

import gzip
import json
from collections.abc import Iterator

import httpx
import huggingface_hub
import pytest

from omni_router.hub.listing import chat_models
from omni_router.hub.session import hub_session
from omni_router.hub.wire import escape_line_ends, watch
from tests.support.hub_client import hub_client

BODY = {"object": "list", "data": [{"id": "acme/own", "providers": []}]}
EVENTS = [{"choices": []}, {"usage": {"prompt_tokens": 3}}]


class Stream(httpx.SyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


class Server(httpx.BaseTransport):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._response


def events() -> httpx.Response:
    lines = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in EVENTS) + b": ping\n\ndata: [DONE]\n\n"
    return httpx.Response(200, stream=Stream(lines[:20], lines[20:]), headers={"content-type": "text/event-stream"})


def test_an_answer_that_came_packed_is_kept_unpacked() -> None:
    packed = gzip.compress(json.dumps(BODY).encode())
    response = httpx.Response(200, stream=Stream(packed[:9], packed[9:]), headers={"content-encoding": "gzip"})
    with hub_client(Server(response)), watch() as exchanges:
        assert [model["id"] for model in chat_models("hf_secret", 5.0)] == ["acme/own"]
    (exchange,) = exchanges
    assert exchange.json() == BODY
    assert (exchange.method, exchange.status) == ("GET", 200)
    assert exchange.url == "https://router.huggingface.co/v1/models"
    assert exchange.first_byte is not None
    assert "hf_secret" not in repr(exchange)


def test_the_events_of_a_stream_are_kept_without_its_comments() -> None:
    url = "https://router.huggingface.co/v1/chat/completions"
    with hub_client(Server(events())), watch() as exchanges, hub_session(None, 5.0):
        assert huggingface_hub.get_session().post(url).is_success
    assert exchanges[0].events() == EVENTS


def test_nothing_is_kept_outside_of_the_block() -> None:
    with hub_client(Server(httpx.Response(200, json=BODY))):
        with watch() as exchanges:
            pass
        chat_models(None, 5.0)
    assert exchanges == []


def test_a_body_that_is_no_json_raises_only_where_it_is_read_as_such() -> None:
    server = Server(httpx.Response(200, text="<html>"))
    with hub_client(server), watch() as exchanges, pytest.raises(ValueError, match="Expecting value"):
        chat_models(None, 5.0)
    assert exchanges[0].body == b"<html>"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_line_ends_of_unicode_in_a_text_end_no_line(size: int) -> None:
    """However the bytes come, and beside letters whose UTF-8 begins alike."""
    text = "one\\u2028two\\u0085three\\u2029four \\u2013 \\u2068five \\u00c2 \\u00e9"
    body = f"data: {json.dumps(text, ensure_ascii=False)}\r\n\r\ndata: [DONE]\n\n".encode()
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    response = httpx.Response(200, content=escape_line_ends(pieces))
    first, *_ = response.iter_lines()
    assert json.loads(first.removeprefix("data:")) == text


def test_an_answer_of_the_hub_may_have_them() -> None:
    url = "https://router.huggingface.co/v1/chat/completions"
    lines = "data: one\u2028two\n\ndata: [DONE]\n\n".encode()
    response = httpx.Response(200, stream=Stream(lines[:10], lines[10:]), headers={"content-type": "text/event-stream"})
    with hub_client(Server(response)), hub_session(None, 5.0):
        answer = huggingface_hub.get_session().post(url)
    assert list(answer.iter_lines()) == [r"data: one\u2028two", "", "data: [DONE]", ""]
