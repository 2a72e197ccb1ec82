"""What the client gets over the wire can be watched, packed or streamed, and no token is kept."""

import gzip
import json
from collections.abc import Iterator

import httpx
import huggingface_hub
import pytest

from omni_router.hub.listing import chat_models
from omni_router.hub.session import hub_session
from omni_router.hub.wire import watch
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
