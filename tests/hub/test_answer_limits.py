"""Answers without end: what is read of them, and how a call ends that gets one."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from omni_router._sandbox import Sandbox
from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub import answer_limits, listing
from omni_router.hub.answer_limits import CAPTION, IMAGE, LISTING, AnswerTooLong, chat_limit
from omni_router.hub.client import HubInference
from tests.support.foreign_model import Foreign, Sent, foreign_model

CHAT, CAPTIONS = "sandbox/text-generation-1", "sandbox/image-to-text-1"
BYTES, BASE64, ADDRESS = (f"sandbox/text-to-image-{number}" for number in (1, 2, 3))
MB = 2**20


@pytest.fixture
def foreign(sandbox: Sandbox) -> Iterator[Foreign]:
    with foreign_model(sandbox) as model:
        yield model


def frame(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}
    data = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n".encode()


class Talk(TypedDict):
    answer: str


def chat(settings: Settings, *, streamed: bool = True) -> str:
    """Chat in a graph of one node; LangChain streams when somebody listens to the tokens."""

    def node(state: Talk) -> Talk:
        message: AIMessage = HubInference().chat(CHAT, None, [HumanMessage("Hello")], settings)
        return {"answer": str(message.content)}

    graph = StateGraph(Talk).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()
    mode: Any = ["messages", "values"] if streamed else ["values"]
    parts: Any = graph.stream({"answer": ""}, stream_mode=mode)
    *_, (_, result) = parts
    return str(result["answer"])


def stream(foreign: Foreign, pieces: Any, **headers: str) -> Sent:
    body = Sent(pieces)
    response_headers = {
        "content-type": "text/event-stream",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    foreign.answer = lambda: httpx.Response(200, stream=body, headers=response_headers)
    return body


def test_words_for_ever_end_soon_after_what_was_asked_for(foreign: Foreign) -> None:
    body = stream(foreign, repeat(frame("word ")))
    with pytest.raises(SpecialistError) as caught:
        chat(Settings(max_new_tokens=64))
    assert (caught.value.kind, caught.value.cause) == ("malformed_answer", "AnswerTooLong")
    assert body.pieces == chat_limit(64).events + 1 < 5000
    assert body.closed
    assert caught.value.partial
    assert caught.value.partial.text.startswith("word word ")


def test_words_for_ever_end_also_when_no_length_was_asked_for(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_limits, "_CHAT_EVENTS", 100)
    body = stream(foreign, repeat(frame("word ")))
    with pytest.raises(SpecialistError) as caught:
        chat(Settings())
    assert caught.value.kind == "malformed_answer"
    assert body.pieces == 101


@pytest.mark.parametrize("tokens", [None, 20_000, 10**6])
def test_no_length_that_is_asked_for_lets_a_stream_grow_beyond_200_mb(tokens: int | None) -> None:
    """An event takes 4 KB of memory in the worst case: a piece of a tool call, measured in a process of its own."""
    assert chat_limit(tokens).events * 4e3 < 190e6


def test_a_length_that_is_asked_for_lifts_no_limit(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_limits, "_CHAT_EVENTS", 100)
    body = stream(foreign, repeat(frame("word ")))
    with pytest.raises(SpecialistError) as caught:
        chat(Settings(max_new_tokens=10**6))
    assert caught.value.kind == "malformed_answer"
    assert body.pieces == 101


def test_a_long_answer_is_not_cut(foreign: Foreign) -> None:
    stream(foreign, [*([frame("word ")] * 3000), frame("", "length"), b"data: [DONE]\n\n"])
    assert chat(Settings(max_new_tokens=3000)) == "word " * 3000
    assert chat_limit(None).events >= 45_000


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_one_line_for_ever_ends(foreign: Foreign, kind: str, *, streamed: bool) -> None:
    body = stream(foreign, repeat(b"data: " + b"x" * MB), content_type=kind)
    with pytest.raises(SpecialistError) as caught:
        chat(Settings(), streamed=streamed)
    assert caught.value.kind == "malformed_answer"
    assert body.bytes < 10 * MB


@pytest.mark.parametrize("model", [BYTES, BASE64])
def test_an_image_of_400_mb_is_not_taken_whole(foreign: Foreign, model: str) -> None:
    body = Sent(repeat(b'{"data": "' + b"x" * MB, 400))
    foreign.answer = lambda: httpx.Response(200, stream=body)
    with pytest.raises(SpecialistError) as caught:
        HubInference().text_to_image(model, None, "a fox", Settings())
    assert caught.value.kind == "malformed_answer"
    assert body.bytes < IMAGE.body + 2 * MB


def test_an_image_of_400_mb_at_an_address_is_not_taken_whole(foreign: Foreign) -> None:
    body = Sent(repeat(b"x" * MB, 400))
    foreign.answer = lambda: httpx.Response(200, json={"images": [{"url": "https://images.example/a.png"}]})
    foreign.web = lambda: httpx.Response(200, stream=body)
    with pytest.raises(SpecialistError) as caught:
        HubInference().text_to_image(ADDRESS, None, "a fox", Settings())
    assert caught.value.kind == "malformed_answer"
    assert body.bytes < IMAGE.body + 2 * MB


def test_an_error_of_400_mb_is_not_taken_whole(foreign: Foreign) -> None:
    body = Sent(repeat(b"x" * MB, 400))
    foreign.answer = lambda: httpx.Response(500, stream=body)
    with pytest.raises(SpecialistError):
        chat(Settings())
    assert body.bytes < 10 * MB


def test_a_list_without_end_is_not_taken_whole(foreign: Foreign) -> None:
    body = Sent(repeat(b"x" * MB, 400))
    foreign.listing = lambda: httpx.Response(200, stream=body)
    with pytest.raises(AnswerTooLong):
        listing.chat_models(None, 3)
    assert body.bytes < LISTING.body + 2 * MB


# ---- packed answers


def caption(foreign: Foreign, pieces: Any, packed: str) -> str:
    foreign.answer = lambda: httpx.Response(200, stream=Sent(pieces), headers={"content-encoding": packed})
    return HubInference().image_to_text(CAPTIONS, None, "https://pictures.example/a.png", Settings())


def test_a_packed_answer_is_read(foreign: Foreign) -> None:
    whole = gzip.compress(json.dumps([{"generated_text": "a fox"}]).encode())
    assert caption(foreign, [whole], "gzip") == "a fox"
    assert caption(foreign, [bytes([byte]) for byte in whole], "gzip") == "a fox"
    assert {request.headers["accept-encoding"] for request in foreign.seen} == {"gzip"}


def test_a_packed_stream_is_read_as_it_comes(foreign: Foreign) -> None:
    packer = zlib.compressobj(wbits=31)
    frames = [frame("a "), frame("fox"), frame("", "stop"), b"data: [DONE]\n\n"]
    packed = [packer.compress(each) + packer.flush(zlib.Z_SYNC_FLUSH) for each in frames]
    stream(foreign, [*packed, packer.flush()], content_encoding="gzip")
    assert chat(Settings()) == "a fox"


def test_a_few_kilobytes_that_unpack_to_a_hundred_megabytes_take_no_memory(foreign: Foreign) -> None:
    packed = gzip.compress(bytes(100 * MB))
    tracemalloc.start()
    try:
        with pytest.raises(SpecialistError) as caught:
            caption(foreign, [packed], "gzip")
        assert caught.value.kind == "malformed_answer"
        assert tracemalloc.get_traced_memory()[1] < 10 * CAPTION.body
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("packed", "body"), [("gzip", b"not packed"), ("br", b"abc"), ("gzip, gzip", b"abc")])
def test_what_cannot_be_unpacked_is_a_malformed_answer(foreign: Foreign, packed: str, body: bytes) -> None:
    with pytest.raises(SpecialistError) as caught:
        caption(foreign, [body], packed)
    assert caught.value.kind == "malformed_answer"
