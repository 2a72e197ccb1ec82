"""A client that hangs up: the run of the graph is cancelled, whatever it was waiting for."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from openai import OpenAI

from omni_router import Services, Settings
from omni_router._sandbox import Sandbox
from omni_router.hub.client import HubInference
from tests.support.openai_server import TEXT, ScriptedModel, openai_server, wait_for
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

BODY: Any = {"model": "omni", "messages": [{"role": "user", "content": "How do tides work?"}]}
RESPONSE: Any = {"model": "omni", "input": "How do tides work?"}
VECTORS: Any = {"model": "omni", "input": "How do tides work?"}
WAIT = 30.0  # seconds; a test that fails ends all the same


class HeldInference(HubInference):
    """Begins an answer if `speaks_first` is set, and then waits until it is released."""

    def __init__(self, *, speaks_first: bool) -> None:
        super().__init__()
        self.speaks_first = speaks_first
        self.called, self.let_go, self.ended = threading.Event(), threading.Event(), threading.Event()

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        if self.speaks_first:
            ScriptedModel(pieces=[AIMessageChunk(content="It "), AIMessageChunk(content="is ")]).invoke(list(messages))
        self.called.set()
        self.let_go.wait(WAIT)
        self.ended.set()
        return AIMessage("It is the moon.")

    def embed(
        self, model: str, provider: str | None, texts: Sequence[str], settings: Settings, dimensions: int | None = None
    ) -> Any:
        self.called.set()
        self.let_go.wait(WAIT)
        self.ended.set()
        return np.zeros((len(texts), 2))


@pytest.fixture
def inference(request: pytest.FixtureRequest) -> Iterator[HeldInference]:
    held = HeldInference(speaks_first=request.param)
    yield held
    held.let_go.set()


@pytest.fixture
def url(
    services: Services, router: ScriptedRouter, inference: HeldInference, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    monkeypatch.setenv("OMNI_MAX_CONCURRENT", "1")
    with openai_server(replace(services, inference=inference)) as url:
        yield url


def place_is_free(url: str) -> bool:
    return httpx.get(f"{url}/models").status_code == 200


def then_nothing_is_recorded(services: Services, inference: HeldInference) -> None:
    """Let the specialist end: of a run that goes on, its outcome would be in the history."""
    inference.let_go.set()
    inference.ended.wait(WAIT)
    threading.Event().wait(0.5)
    assert not services.history.models("question_answering")


@pytest.mark.parametrize("inference", [False], indirect=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", BODY),
        ("chat/completions", {**BODY, "stream": True}),
        ("responses", RESPONSE),
        ("responses", {**RESPONSE, "stream": True}),
        ("embeddings", VECTORS),
    ],
)
def test_before_the_first_token(
    url: str, services: Services, inference: HeldInference, path: str, body: dict[str, Any]
) -> None:
    def ask() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/{path}", json=body, timeout=httpx.Timeout(10, read=1))

    thread = threading.Thread(target=ask)
    thread.start()
    assert inference.called.wait(WAIT)
    assert not place_is_free(url)
    thread.join()
    wait_for(lambda: place_is_free(url))
    assert not inference.ended.is_set(), "the request is over while the specialist is still being waited for"
    then_nothing_is_recorded(services, inference)


@pytest.mark.parametrize("inference", [True], indirect=True)
def test_within_a_stream(url: str, services: Services, inference: HeldInference) -> None:
    with OpenAI(base_url=url, api_key="none") as client:
        stream = client.chat.completions.create(**BODY, stream=True)
        deltas = [next(stream).choices[0].delta.content for _ in range(3)]
        assert deltas == ["", "It ", "is "]
        assert not place_is_free(url)
        stream.close()
    wait_for(lambda: place_is_free(url))
    assert not inference.ended.is_set()
    then_nothing_is_recorded(services, inference)


@pytest.mark.parametrize("inference", [True], indirect=True)
def test_within_a_stream_of_a_response(url: str, services: Services, inference: HeldInference) -> None:
    with OpenAI(base_url=url, api_key="none") as client:
        stream = client.responses.create(**RESPONSE, stream=True)
        for event in stream:
            if event.type == "response.output_text.delta" and event.delta == "is ":
                break
        assert not place_is_free(url)
        stream.close()
    wait_for(lambda: place_is_free(url))
    assert not inference.ended.is_set()
    then_nothing_is_recorded(services, inference)


@pytest.mark.parametrize("inference", [True], indirect=True)
def test_who_stays_has_the_outcome_recorded(url: str, services: Services, inference: HeldInference) -> None:
    inference.let_go.set()
    assert httpx.post(f"{url}/chat/completions", json=BODY).status_code == 200
    assert [model["id"] for model in services.history.models("question_answering")] == [TEXT]


def test_twenty_that_hang_up_leave_the_server_as_it_was(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.latency = 0.2
    with openai_server(services) as url:
        for _ in range(20):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{url}/chat/completions", json=BODY, timeout=httpx.Timeout(10, read=0.05))
        sandbox.latency = 0
        assert httpx.post(f"{url}/chat/completions", json=BODY).status_code == 200
