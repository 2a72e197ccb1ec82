"""The agent at /a2a of a real dev server, called by the A2A SDK's own client."""

import asyncio
import base64
import json
import urllib.request
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.helpers import get_artifact_text, get_data_parts, get_message_text, get_raw_parts
from a2a.types import (
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
)

from tests.support.pictures import DOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


def message(*parts: Part | str, context: str = "", **metadata: Any) -> SendMessageRequest:
    content = [Part(text=part) if isinstance(part, str) else part for part in parts]
    return SendMessageRequest(
        message=Message(
            role=Role.ROLE_USER, message_id="m1", context_id=context, parts=content, metadata=metadata or None
        ),
    )


def send(url: str, request: SendMessageRequest, *, streaming: bool = False) -> list[StreamResponse]:
    async def run() -> list[StreamResponse]:
        async with httpx.AsyncClient(timeout=60) as http:
            client = await create_client(url, ClientConfig(streaming=streaming, httpx_client=http))
            return [answer async for answer in client.send_message(request)]

    return asyncio.run(run())


def task_of(url: str, *parts: Part | str, context: str = "", **metadata: Any) -> Task:
    [answer] = send(url, message(*parts, context=context, **metadata))
    return answer.task


def summary_of(task: Task) -> dict[str, Any]:
    parts = task.artifacts[0].parts if task.artifacts else task.status.message.parts
    [data] = get_data_parts(parts)
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 400),
        ({"content-type": "application/json", "host": "elsewhere.example"}, 421),
        ({"content-type": "application/json", "origin": "https://elsewhere.example"}, 403),
    ],
)
def test_a_page_of_elsewhere_cannot_ask(url: str, headers: dict[str, str], status: int) -> None:
    payload = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {}}
    assert httpx.post(f"{url}/a2a", content=json.dumps(payload), headers=headers, timeout=30).status_code == status


def test_the_card_describes_the_agent_at_its_own_address(url: str) -> None:
    with urllib.request.urlopen(f"{url}/.well-known/agent-card.json", timeout=10) as answer:
        card = json.load(answer)
    assert {interface["url"] for interface in card["supportedInterfaces"]} == {f"{url}/a2a"}
    assert "question_answering" in [skill["id"] for skill in card["skills"]]
    assert card["capabilities"]["streaming"] is True


def test_an_answer_is_an_artifact_of_text_and_summary(url: str) -> None:
    task = task_of(url, "Who discovered penicillin?")
    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    [artifact] = task.artifacts
    summary = summary_of(task)
    assert summary["route"] == "question_answering"
    assert summary["answer"] == get_artifact_text(artifact)


def test_a_stream_has_the_decision_then_pieces_then_the_whole(url: str) -> None:
    answers = send(url, message("Who discovered penicillin?"), streaming=True)
    kinds = [answer.WhichOneof("payload") for answer in answers]
    assert kinds[0] == "task"
    updates = [get_data_parts(a.status_update.status.message.parts) for a in answers if a.HasField("status_update")]
    decisions = [data[0]["decision"] for data in updates if data]
    assert [decision["route"] for decision in decisions] == ["question_answering"]
    assert kinds.index("artifact_update") > next(
        i for i, a in enumerate(answers) if a.status_update.status.HasField("message")
    )
    *_, whole = [a.artifact_update for a in answers if a.HasField("artifact_update")]
    assert (whole.append, whole.last_chunk) == (False, True)
    assert answers[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


def test_a_picture_made_is_a_file_part(url: str) -> None:
    task = task_of(url, "Paint a picture of a red fox in the snow")
    [picture] = get_raw_parts(task.artifacts[0].parts)
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "picture",
    [
        Part(raw=base64.b64decode(DOT.partition(",")[2]), media_type="image/png"),
        Part(url="https://example.com/cat.png", media_type="image/png"),
    ],
    ids=["bytes", "address"],
)
def test_a_picture_goes_in_as_bytes_or_address(url: str, picture: Part) -> None:
    task = task_of(url, "What is in this picture?", picture)
    assert summary_of(task)["task"] == "image-text-to-text"


def test_a_context_is_one_conversation(url: str) -> None:
    picture = Part(raw=base64.b64decode(DOT.partition(",")[2]), media_type="image/png")
    first = task_of(url, "What is in this picture?", picture)
    second = task_of(url, "And what colour is it in the picture?", context=first.context_id)
    assert second.context_id == first.context_id
    assert second.id != first.id
    assert summary_of(second)["task"] == "image-text-to-text", "the picture of the first task is still seen"


def test_tasks_are_found_again(url: str) -> None:
    task = task_of(url, "Who discovered penicillin?")

    async def look() -> tuple[Task, list[str]]:
        async with await create_client(url) as client:
            stored_task = await client.get_task(GetTaskRequest(id=task.id))
            listed = await client.list_tasks(ListTasksRequest(context_id=task.context_id))
            return stored_task, [each.id for each in listed.tasks]

    stored_task, listed = asyncio.run(look())
    assert get_artifact_text(stored_task.artifacts[0]) == get_artifact_text(task.artifacts[0])
    assert listed == [task.id]


def test_a_failed_answer_is_a_failed_task_with_a_sentence(url: str) -> None:
    task = task_of(url, "Who discovered penicillin? [[sandbox:token_401]]")
    assert task.status.state == TaskState.TASK_STATE_FAILED
    assert "token" in get_message_text(task.status.message)
    assert summary_of(task)["error"]["kind"] == "token"


def test_a_request_nobody_can_answer_is_rejected_with_a_sentence(url: str) -> None:
    task = task_of(url, "What is this?", Part(url="file:///etc/hostname"))
    assert task.status.state == TaskState.TASK_STATE_REJECTED
    assert "use an http(s) address or a data URL" in get_message_text(task.status.message)


def test_clients_of_version_0_3_are_answered_too(url: str) -> None:
    message = {"role": "user", "messageId": "m1", "parts": [{"kind": "text", "text": "Who discovered penicillin?"}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
    answer = httpx.post(f"{url}/a2a", json=body, timeout=60).json()["result"]
    assert answer["status"]["state"] == "completed"
    assert [part["kind"] for part in answer["artifacts"][0]["parts"]] == ["text", "data"]


def test_another_model_answers_the_newest_request_of_a_context(url: str) -> None:
    first = task_of(url, "Who discovered penicillin?")
    again = [task_of(url, "Another one, please", context=first.context_id, another=True) for _ in range(2)]
    models = [summary_of(task)["model"] for task in (first, *again)]
    assert len(set(models)) == 3
    assert f"another model than {models[0]} was asked for" in summary_of(again[0])["reason"]
    assert f"another model than {models[1]} was asked for" in summary_of(again[1])["reason"]
    after = summary_of(task_of(url, "Who discovered penicillium?", context=first.context_id))
    assert after["model"] == models[2], "the conversation goes on with the model that answered last"


@pytest.mark.parametrize(
    ("value", "complaint"), [(True, "no answer that another model could replace"), ("yes", "must be true or false")]
)
def test_another_model_is_refused_without_an_answer_or_with_another_value(
    url: str, value: object, complaint: str
) -> None:
    task = task_of(url, "Who discovered penicillin?", another=value)
    assert task.status.state == TaskState.TASK_STATE_REJECTED
    assert complaint in get_message_text(task.status.message)
