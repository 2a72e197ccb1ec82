"""The routes under /omni that need a key: routes, models, decisions and feedback."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from omni_router import Services
from omni_router.cli.new_key import command
from omni_router.decisions.log import DecisionLog
from omni_router.decisions.recent import MAX_ENTRIES, RecentDecisions
from tests.support.openai_server import PAINTER, TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

KEY = "the-key-of-the-operator"
QUESTION = "How do tides work?"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, router: ScriptedRouter) -> dict[str, str]:
    """The keys of the operator and of two users."""
    monkeypatch.setenv("OMNI_USERS", str(tmp_path / "users.json"))
    monkeypatch.setenv("OMNI_API_KEY", KEY)
    router.choose("question_answering", TEXT)
    users = {name: CliRunner().invoke(command, [name]).stdout.strip().splitlines()[-1] for name in ("ada", "bob")}
    return {"operator": KEY, **users}


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    with openai_server(replace(services, decision_log=RecentDecisions())) as url:
        yield url.removesuffix("/v1")


def get(url: str, path: str, key: str = KEY) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers={"authorization": f"Bearer {key}"})


def post(url: str, path: str, body: Any, key: str = KEY) -> httpx.Response:
    return httpx.post(f"{url}{path}", json=body, headers={"authorization": f"Bearer {key}"})


def ask(url: str, key: str = KEY) -> str:
    """Ask, and return the id of the decision."""
    messages = [{"role": "user", "content": QUESTION}]
    return str(post(url, "/v1/chat/completions", {"messages": messages}, key).json()["omni"]["id"])


@pytest.mark.parametrize("path", ["/omni/routes", "/omni/routes/chat/models", "/omni/decisions/latest"])
def test_they_need_a_key(url: str, path: str) -> None:
    assert get(url, path, "wrong").status_code == 401
    assert post(url, "/omni/feedback", {"id": "x", "verdict": "good"}, "wrong").status_code == 401


def test_the_operator_finds_the_newest_decision_and_one_by_the_beginning_of_its_id(url: str) -> None:
    first, second = ask(url, KEY), ask(url)
    assert get(url, "/omni/decisions/latest").json()["decision"]["id"] == second
    assert get(url, f"/omni/decisions/{first[:10]}").json()["decision"]["id"] == first


def test_a_user_names_a_decision_by_its_whole_id(url: str, keys: dict[str, str]) -> None:
    own = ask(url, keys["ada"])
    assert get(url, f"/omni/decisions/{own}", keys["ada"]).json()["decision"]["id"] == own
    for start in ("latest", own[:10], own[:1]):
        response = get(url, f"/omni/decisions/{start}", keys["bob"])
        assert (response.status_code, response.json()["error"]["code"]) == (404, "decision_not_found")
        assert own not in response.text
        assert post(url, "/omni/feedback", {"id": start, "verdict": "bad"}, keys["bob"]).status_code == 404


def test_feedback_takes_the_text_of_its_own_request_alone(url: str, services: Services) -> None:
    decision = ask(url)
    other = post(url, "/omni/feedback", {"id": decision, "verdict": "good", "text": "Something else"}).json()
    assert (other["feedback"]["verdict"], other["feedback"]["example_of"]) == ("good", None)
    assert services.history.examples("question_answering") == ()
    own = post(url, "/omni/feedback", {"id": decision, "verdict": "good", "text": f" {QUESTION}\n"}).json()
    assert own["feedback"]["example_of"] == "question_answering"
    assert own["feedback"]["kept_in"] == "the history of the server"
    assert services.history.examples("question_answering") == (QUESTION,)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"verdict": "good"}, 400, "id is None: it is a string"),
        ({"id": "", "verdict": "good"}, 400, "id is '': it is the id of a decision, or with the operator's key latest"),
        ({"id": "x", "verdict": 1}, 400, "verdict is 1: it is a string"),
        ({"id": "x", "verdict": "good", "text": 1}, 400, "text is 1: it is a string"),
        ({"id": "x", "verdict": "good"}, 404, "This server knows no decision 'x'"),
    ],
)
def test_feedback_that_cannot_be_taken_names_what_is_wrong(url: str, body: Any, status: int, says: str) -> None:
    response = post(url, "/omni/feedback", body)
    assert response.status_code == status
    assert response.json()["error"]["message"].startswith(says)


def test_a_verdict_that_is_not_one_names_those_that_are(url: str) -> None:
    response = post(url, "/omni/feedback", {"id": ask(url), "verdict": "great"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "verdict")
    assert "good, bad or a route (casual_conversation, " in response.json()["error"]["message"]


def test_without_decisions_the_server_says_how_to_keep_them(services: Services) -> None:
    with openai_server(services) as address:
        response = get(address.removesuffix("/v1"), "/omni/decisions/latest")
    assert response.status_code == 404
    assert "set OMNI_DECISION_LOG on the server" in response.json()["error"]["message"]


def test_decisions_of_before_a_restart_come_from_the_log(services: Services, tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "log.jsonl")
    with openai_server(replace(services, decision_log=RecentDecisions(log))) as url:
        first = ask(url.removesuffix("/v1"))
    with openai_server(replace(services, decision_log=RecentDecisions(log))) as url:
        assert get(url.removesuffix("/v1"), f"/omni/decisions/{first}").json()["decision"]["id"] == first


def test_a_model_of_the_hub_can_be_asked_on_a_route(url: str) -> None:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"messages": messages, "model": "sandbox/text-generation-3", "omni_route": "code_generation"}
    omni = post(url, "/v1/chat/completions", body).json()["omni"]
    assert (omni["route"], omni["model"]) == ("code_generation", "sandbox/text-generation-3")


def test_the_route_of_an_image_is_checked_wherever_it_is_named(url: str) -> None:
    assert post(url, "/v1/images/generations", {"prompt": "a fox", "model": PAINTER}).status_code == 200
    refused = post(url, "/v1/images/generations", {"prompt": "a fox", "omni_route": "code_generation"})
    assert refused.status_code == 400
    assert "'code_generation' does not generate images" in refused.json()["error"]["message"]


def test_only_the_newest_decisions_stay_in_memory() -> None:
    recent = RecentDecisions()
    for number in range(MAX_ENTRIES + 2):
        recent.write({"id": f"{number:04}"})
    assert [entry["id"] for entry in recent.entries()][:2] == ["0002", "0003"]
    assert recent.with_id("") == [{"id": f"{MAX_ENTRIES + 1:04}"}]
    assert recent.with_id("0001") == []
