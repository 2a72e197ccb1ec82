"""/v1 as it is mounted in the LangGraph server: the same routes, key and limits as alone."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from omni_router.cli import main

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION: Any = [{"role": "user", "content": "Who discovered penicillin?"}]


@pytest.fixture(scope="module")
def folder(configured_folder: Path) -> Path:
    return configured_folder


@pytest.fixture(scope="module")
def url(configured: str) -> str:
    return f"{configured}/v1"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key="s3cret", max_retries=0) as client:
        yield client


def test_chats_at_once_and_in_pieces_without_blocking_the_server(client: OpenAI, folder: Path) -> None:
    response: Any = client.chat.completions.create(model="omni", messages=QUESTION)
    assert response.omni["route"] == "question_answering"
    pieces = list(client.chat.completions.create(model="omni", messages=QUESTION, stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == response.choices[0].message.content
    assert client.images.generate(prompt="a fox").data
    assert "omni/question_answering" in {model.id for model in client.models.list()}
    assert "BlockingError" not in (folder / "server.log").read_text()


def test_responses_and_vectors_are_served_here_too(client: OpenAI, folder: Path) -> None:
    answer = client.responses.create(model="omni", input=QUESTION[0]["content"])
    assert answer.output_text.startswith("[sandbox] Simulated answer")
    assert client.embeddings.create(model="omni", input="tides").data[0].embedding
    assert "BlockingError" not in (folder / "server.log").read_text()


def test_the_key_is_asked_for_under_v1_alone(url: str) -> None:
    with OpenAI(base_url=url, api_key="other", max_retries=0) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    assert httpx.get(f"{url.removesuffix('/v1')}/ok").status_code == 200


def test_errors_have_openais_shape_here_too(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no route 'cooking'"):
        client.chat.completions.create(model="omni/cooking", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="nothing to answer"):
        client.chat.completions.create(model="omni", messages=[{"role": "assistant", "content": "Hi."}])
    with pytest.raises(openai.APIStatusError, match="OMNI_MAX_BODY") as caught:
        client.chat.completions.create(model="omni", messages=[{"role": "user", "content": "x" * 200_000}])
    assert caught.value.status_code == 413


def test_a_chunked_body_is_counted_here_too(url: str) -> None:
    headers = {"authorization": "Bearer s3cret", "content-type": "application/json"}
    response = httpx.post(f"{url}/chat/completions", content=(b" " * 1000 for _ in range(200)), headers=headers)
    assert response.status_code == 413


def test_who_hangs_up_has_nothing_recorded_here_too(url: str, client: OpenAI, folder: Path) -> None:
    body = {"model": "omni/summarization", "messages": QUESTION}
    headers = {"authorization": "Bearer s3cret"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/chat/completions", json=body, headers=headers, timeout=httpx.Timeout(10, read=0.5))
    time.sleep(2)
    client.chat.completions.create(model="omni/question_answering", messages=QUESTION)
    entries = json.loads((folder / "outputs" / "sandbox" / "route_config.json").read_text())
    models = {entry["name"]: entry.get("models") for entry in entries}
    assert models["question_answering"]
    assert not models["summarization"]


def test_the_command_line_may_name_this_server_too(
    configured: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNI_API_KEY", "s3cret")
    monkeypatch.setenv("OMNI_SERVER", configured)
    assert main(["--prompt", "Who discovered penicillin?", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["route"] == "question_answering"
    assert main(["--list-routes"]) == 0
    assert main(["--list-models", "question_answering"]) == 0
    assert f"Routes of {configured}" in capsys.readouterr().out
    assert "BlockingError" not in (folder / "server.log").read_text()
