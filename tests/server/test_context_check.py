"""A context that is none of `Settings` is refused by the dev server before anything runs."""

import json
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import SyncLangGraphClient
from starlette.responses import Response
from starlette.testclient import TestClient

from omni_router.graph import graph
from omni_router.server.context_check import ContextCheck, context_problem, graphs_of_server
from tests.server.test_runs import asking

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

RUN: dict[str, Any] = {"assistant_id": "omni_router", "input": asking("Who discovered penicillin?")}
MISSPELT = {"fallbak_route": "none"}


@pytest.fixture
def thread(sdk: SyncLangGraphClient) -> str:
    return str(sdk.threads.create()["thread_id"])


@pytest.mark.parametrize(
    "path", ["/runs/wait", "/runs/stream", "/runs", "/threads/{thread}/runs/wait", "/threads/{thread}/runs"]
)
def test_a_misspelt_key_is_named_with_what_is_allowed(url: str, thread: str, path: str) -> None:
    response = httpx.post(url + path.format(thread=thread), json={**RUN, "context": MISSPELT}, timeout=60)
    assert response.status_code == 422
    assert "no field 'fallbak_route'; allowed are route, model, another, fallback_route" in response.json()["detail"]


def test_so_it_is_in_a_batch_a_cron_and_an_assistant(url: str, sdk: SyncLangGraphClient) -> None:
    bodies: list[tuple[str, str, Any]] = [
        ("POST", "/runs/batch", [RUN, {**RUN, "context": MISSPELT}]),
        ("POST", "/runs/crons", {**RUN, "schedule": "0 0 1 1 *", "context": MISSPELT}),
        ("POST", "/assistants", {"graph_id": "omni_router", "context": MISSPELT}),
        ("PATCH", f"/assistants/{sdk.assistants.create('omni_router')['assistant_id']}", {"context": MISSPELT}),
    ]
    for method, path, body in bodies:
        response = httpx.request(method, url + path, json=body, timeout=30)
        assert (response.status_code, "'fallbak_route'" in response.text) == (422, True), path


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"temperature": 99}, "context.temperature is '99': Input should be less than or equal to 2"),
        ({"temperature": "hot"}, "context.temperature is 'hot': Input should be a valid number"),
        ({"max_models": 0}, "context.max_models is '0'"),
        (
            {"prefer": "cheap"},
            "context.prefer is 'cheap': Value error, Input should be one of best, balanced",
        ),
        ({"only": [" "]}, "Input should be a list of patterns like org/*"),
        ({"reasoning_effort": "deep"}, "context.reasoning_effort is 'deep': Input should be 'none', 'minimal', 'low'"),
        ({"extra_body": {"messages": []}}, "extra_body must not contain messages"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(url: str, context: dict[str, Any], words: str) -> None:
    response = httpx.post(f"{url}/runs/wait", json={**RUN, "context": context}, timeout=60)
    assert response.status_code == 422
    assert words in response.json()["detail"]


def test_settings_are_taken_as_before(url: str, sdk: SyncLangGraphClient, thread: str) -> None:
    limits = {"prefer": 0.02, "only": ["sandbox/*"], "never": ["a/b"], "max_price": 5, "bill_to": "my-org"}
    context: Any = {"skip_specialists": True, "stop": ["END"], "reasoning_effort": "low", **limits}
    result: Any = sdk.runs.wait(thread, "omni_router", input=RUN["input"], context=context)
    assert (result["error"], result["attempts"]) == (None, [])
    mine = sdk.assistants.create("omni_router", context=context)
    answer: Any = sdk.runs.wait(None, mine["assistant_id"], input=RUN["input"])
    assert answer["attempts"] == []
    assert httpx.post(f"{url}/runs/wait", content=b'{"context":', timeout=30).status_code in (400, 422)


def test_a_large_body_goes_on_to_the_server_in_one_piece(url: str) -> None:
    long = {"messages": [{"role": "user", "content": "Who discovered penicillin?" + " " * 3_000_000}]}
    response = httpx.post(
        f"{url}/runs/wait", json={**RUN, "input": long, "context": {"skip_specialists": True}}, timeout=60
    )
    assert (response.status_code, response.json()["attempts"]) == (200, [])


@pytest.mark.parametrize(
    ("graphs", "assistant", "ours"),
    [
        ({"omni_router": "omni_router.graph:graph"}, "any-assistant", True),
        ({"omni": {"path": "omni_router.graph:graph"}}, "omni", True),
        ({"omni": "omni_router.graph:graph", "other": "./other.py:graph"}, "omni", True),
        ({"omni": "omni_router.graph:graph", "other": "./other.py:graph"}, "other", False),
        ({"parent": "./parent.py:graph"}, "parent", False),
        ({}, "omni_router", False),
    ],
)
def test_a_graph_of_someone_else_has_a_context_of_its_own(
    graphs: dict[str, Any], assistant: str, *, ours: bool
) -> None:
    check = ContextCheck(Response(), graph, {"LANGSERVE_GRAPHS": json.dumps(graphs)})
    response = TestClient(check).post("/runs/wait", json={"assistant_id": assistant, "context": MISSPELT})
    assert response.status_code == (422 if ours else 200)
    assert graphs_of_server({"LANGSERVE_GRAPHS": "nonsense"}) == {}
    assert context_problem({"context": None}) is None
