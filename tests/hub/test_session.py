"""What goes along with the client's requests to the Hub: the run's own token, and a time limit."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from huggingface_hub import InferenceClient, get_session

from omni_router._sandbox import SANDBOX_TOKEN, Sandbox, sandbox
from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub import session
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.hub.session import forget_providers, hub_session
from omni_router.hub.tokens import find_token
from tests.support.hub_client import hub_client

MINE, PROCESS = "hf_mine", "hf_of_the_process"
PICTURE, FETCHED = "sandbox/text-to-image-1", "sandbox/text-to-image-3"  # given as bytes; left at an address
HUB, ROUTER = "huggingface.co", "router.huggingface.co"
SETTINGS = Settings(timeout=7)


@contextmanager
def answering(seen: list[httpx.Request]) -> Iterator[None]:
    """Let huggingface_hub talk to a transport that keeps the requests themselves."""

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/away":
            return httpx.Response(302, headers={"location": "https://elsewhere.example/there"})
        return httpx.Response(200, json=[])

    with hub_client(httpx.MockTransport(answer)):
        yield


PUBLIC = "93.184.215.14"  # anybody's


def tokens(box: Sandbox, host: str) -> list[str | None]:
    return [record.token for record in box.requests if record.host == host]


def test_the_mapping_is_asked_for_with_the_runs_own_token(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("HF_TOKEN", PROCESS)
    HubInference(MINE).text_to_image(PICTURE, None, "a cat", SETTINGS)
    assert tokens(sandbox, HUB)
    assert set(tokens(sandbox, HUB)) == {MINE}
    assert set(tokens(sandbox, ROUTER)) == {MINE}


def test_without_the_block_the_client_would_send_the_processes_token(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("HF_TOKEN", PROCESS)
    with InferenceClient(token=MINE) as client:
        client.text_to_image("a cat", model=PICTURE)
    assert set(tokens(sandbox, HUB)) != {MINE}


def test_the_catalog_asks_for_a_model_with_the_runs_own_token(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("HF_TOKEN", PROCESS)
    HubCatalog(token=lambda: MINE).check("sandbox/text-to-image-4", None, "text-to-image")
    assert tokens(sandbox, HUB) == [None, MINE], "the list is everybody's, and asked for without a token"


def test_a_bad_token_keeps_no_list_from_the_next_user(sandbox: Sandbox) -> None:
    upcoming_tokens = ["hf_wrong", MINE]
    catalog = HubCatalog(token=lambda: upcoming_tokens.pop(0))
    assert catalog.models(["text-generation"])["text-generation"]
    assert tokens(sandbox, HUB) == [None]


@pytest.mark.parametrize("variables", [{"NO_PROXY": "localhost"}, {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.0.0.1"}])
def test_only_an_address_that_a_proxy_is_asked_for_goes_unchecked(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "look_up", lambda host: [host])
    requests: list[httpx.Request] = []
    with answering(requests), hub_session(MINE, 7), pytest.raises(httpx.InvalidURL):
        get_session().get("https://10.0.0.1/image.png")
    assert requests == []


def test_the_token_goes_to_no_other_host_than_hub_and_router(sandbox: Sandbox) -> None:
    HubInference(MINE).text_to_image(FETCHED, None, "a cat", SETTINGS)
    others = [record for record in sandbox.requests if record.host not in (HUB, ROUTER)]
    assert others
    assert {record.token for record in others} == {None}


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/x",
        "https://huggingface.co.elsewhere.example/x",
        "https://cdn.huggingface.co/x",
        "http://huggingface.co/x",  # in the clear
        "https://huggingface.co:8443/x",
    ],
)
def test_an_address_that_only_resembles_the_hub_gets_no_token(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.hub.session.look_up", lambda _host: [PUBLIC])
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 3):
        get_session().get(url)
    assert [request.headers.get("authorization") for request in seen] == [None]


def test_the_datasets_server_is_asked_by_name_and_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(host: str) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    monkeypatch.setattr("omni_router.hub.session.look_up", fail)
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 5):
        get_session().get("https://datasets-server.huggingface.co/rows")
    assert seen[0].url.host == "datasets-server.huggingface.co"
    assert "authorization" not in seen[0].headers


def test_a_redirect_away_from_the_hub_loses_the_token_and_goes_to_the_checked_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("omni_router.hub.session.look_up", lambda _host: [PUBLIC])
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 3):
        get_session().get("https://huggingface.co/away")
    assert [(request.url.host, request.headers.get("authorization")) for request in seen] == [
        (HUB, f"Bearer {MINE}"),
        (PUBLIC, None),
    ]
    assert seen[1].headers["host"] == "elsewhere.example"
    assert seen[1].extensions["sni_hostname"] == "elsewhere.example"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
def test_a_picture_that_a_provider_left_at_a_private_address_is_not_fetched(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.hub.session.look_up", lambda _host: [address])
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 3), pytest.raises(httpx.InvalidURL, match="not a public address"):
        get_session().get("https://pictures.example/x.png")
    assert seen == []


def test_polling_for_a_picture_that_never_comes_ends() -> None:
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 0.2):
        get_session().get("https://router.huggingface.co/status")
        time.sleep(0.25)
        with pytest.raises(httpx.ReadTimeout, match=r"within 0\.2 s"):
            get_session().get("https://router.huggingface.co/status")
    assert len(seen) == 1


def test_the_limit_is_set_where_the_client_sets_none_and_its_own_is_kept() -> None:
    seen: list[httpx.Request] = []
    with answering(seen), hub_session(MINE, 3):
        get_session().get("https://huggingface.co/x")
        get_session().get("https://huggingface.co/x", timeout=1.5)
    assert [request.extensions["timeout"]["read"] for request in seen] == [3, 1.5]
    assert [request.extensions["timeout"]["connect"] for request in seen] == [3, 1.5]


def test_outside_the_block_nothing_is_changed() -> None:
    seen: list[httpx.Request] = []
    with answering(seen):
        with hub_session(MINE, 3):
            get_session().get("https://huggingface.co/x")
        get_session().get("https://huggingface.co/x")
    assert [request.headers.get("authorization") for request in seen] == [f"Bearer {MINE}", None]
    assert [request.extensions["timeout"]["read"] for request in seen] == [3, None]


def test_blocks_in_different_threads_do_not_mix() -> None:
    seen: list[httpx.Request] = []
    together = threading.Barrier(8)

    def ask(token: str) -> None:
        with hub_session(token, 3):
            together.wait(timeout=10)
            get_session().get(f"https://huggingface.co/{token}")
            together.wait(timeout=10)

    with answering(seen):
        threads = [threading.Thread(target=ask, args=(f"hf_{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert len(seen) == 8
    assert all(request.headers["authorization"] == f"Bearer {request.url.path[1:]}" for request in seen)


def test_a_new_session_of_the_client_is_hooked_too() -> None:
    for token in ("hf_one", "hf_two"):
        seen: list[httpx.Request] = []
        with answering(seen), hub_session(token, 3):
            get_session().get("https://huggingface.co/x")
            get_session().get("https://huggingface.co/x")
        assert [request.headers["authorization"] for request in seen] == [f"Bearer {token}"] * 2


def test_after_stop_iteration_the_hub_is_asked_again(sandbox: Sandbox) -> None:
    sandbox.fail("no_provider", model=PICTURE)
    inference = HubInference()
    with pytest.raises(SpecialistError) as exc_info:
        inference.text_to_image(PICTURE, None, "a cat", SETTINGS)
    assert exc_info.value.kind == "no_provider"
    assert exc_info.value.cause == "StopIteration"
    assert sandbox.asked_for_mapping(PICTURE) == 1
    assert inference.text_to_image(PICTURE, None, "a cat", SETTINGS).size
    assert sandbox.asked_for_mapping(PICTURE) == 2


def test_without_a_failure_the_clients_memory_is_kept(sandbox: Sandbox) -> None:
    for _ in range(2):
        HubInference().text_to_image(PICTURE, None, "a cat", SETTINGS)
    assert sandbox.asked_for_mapping(PICTURE) == 1


def test_forgetting_finds_the_clients_memory(sandbox: Sandbox) -> None:
    HubInference().text_to_image(PICTURE, None, "a cat", SETTINGS)
    forget_providers()
    HubInference().text_to_image(PICTURE, None, "a cat", SETTINGS)
    assert sandbox.asked_for_mapping(PICTURE) == 2


def test_the_token_is_the_given_one_then_hf_api_token_then_hf_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_API_TOKEN", "hf_api")
    monkeypatch.setenv("HF_TOKEN", PROCESS)
    assert find_token(MINE) == MINE
    assert find_token() == "hf_api"
    monkeypatch.setenv("HF_API_TOKEN", "")
    assert find_token() == PROCESS


def test_the_sandbox_never_sees_the_processes_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_API_TOKEN", PROCESS)
    with sandbox() as box:
        assert find_token() == SANDBOX_TOKEN
        HubInference().text_to_image(PICTURE, None, "a cat", SETTINGS)
        assert PROCESS not in {record.token for record in box.requests}
