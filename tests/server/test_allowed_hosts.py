"""No page of elsewhere reaches a route of the LangGraph server, ours or its own, and no foreign name is answered."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from omni_router.errors import ConfigurationError
from omni_router.server.allowed_hosts import allowed_hosts, configured_hosts
from omni_router.server.langgraph_config import STUDIO, hosts_of_server, key_notice

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

EVIL = "https://evil.example"
QUESTION = {"role": "user", "content": "Who discovered penicillin?"}
RPC = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", {"model": "omni", "messages": [QUESTION]}),
    ("POST", "/v1/route", {"messages": [QUESTION]}),
    ("POST", "/runs/wait", {"assistant_id": "omni_router", "input": {"messages": [QUESTION]}}),
    ("POST", "/threads", {}),
    ("POST", "/threads/search", {}),
    ("POST", "/assistants/search", {}),
    ("POST", "/store/items/search", {"namespace_prefix": []}),
    ("POST", "/mcp", RPC),
    ("POST", "/a2a", {**RPC, "method": "ListTasks"}),
    ("GET", "/omni/health", None),
    ("GET", "/omni/ready", None),
    ("GET", "/omni/metrics", None),
    ("GET", "/.well-known/agent-card.json", None),
    ("GET", "/ok", None),
    ("GET", "/docs", None),
]
PLACES = pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[path for _, path, _ in ROUTES])
ACCEPT = {"accept": "application/json, text/event-stream", "a2a-version": "1.0"}


def send(url: str, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.request(method, url + path, json=body, headers={**ACCEPT, **headers}, timeout=60)


def preflight(url: str, method: str, path: str, origin: str) -> httpx.Response:
    asks = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "content-type"}
    return httpx.options(url + path, headers=asks, timeout=30)


@PLACES
@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost.evil.example"])
def test_a_page_of_elsewhere_is_neither_allowed_nor_answered(
    url: str, method: str, path: str, body: Any, origin: str
) -> None:
    before = preflight(url, method, path, origin)
    answer = send(url, method, path, body, origin=origin)
    for response in (before, answer):
        assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin")
        assert [name for name in response.headers if name.startswith("access-control")] == []


@PLACES
def test_a_body_that_needs_no_preflight_is_refused_too(url: str, method: str, path: str, body: Any) -> None:
    headers = {"origin": EVIL, "content-type": "text/plain"}
    response = httpx.request(method, url + path, content=json.dumps(body), headers=headers, timeout=30)
    assert response.status_code == 403


@PLACES
@pytest.mark.parametrize("host", ["evil.example", "evil.example:2024"])
def test_a_name_that_only_resolves_here_is_refused(url: str, method: str, path: str, body: Any, host: str) -> None:
    response = send(url, method, path, body, host=host, origin=f"http://{host}")
    assert (response.status_code, response.json()["error"]["code"]) == (421, "unknown_host")
    assert "evil" not in response.text.replace("evil.example", "", 1), "the name appears once, and in no address"


def wait_until_ready(url: str) -> None:
    """The server answers before its router is loaded, and says so."""
    deadline = time.monotonic() + 120
    while httpx.get(f"{url}/omni/ready", timeout=30).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)


@PLACES
@pytest.mark.parametrize("origin", [STUDIO, "http://localhost:3000", "http://127.0.0.1:5173", None])
def test_studio_pages_of_this_machine_and_programs_are_served(
    url: str, method: str, path: str, body: Any, origin: str | None
) -> None:
    wait_until_ready(url)
    answer = send(url, method, path, body, **({"origin": origin} if origin else {}))
    assert answer.status_code in (200, 404 if path == "/omni/metrics" else 200)
    if origin:
        assert answer.headers["access-control-allow-origin"] == origin
        before = preflight(url, method, path, origin)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == origin
        assert before.headers["access-control-allow-private-network"] == "true"


def test_a_page_reads_what_studio_and_openais_clients_need(url: str) -> None:
    answer = send(url, "POST", "/v1/route", {"messages": [QUESTION]}, origin=STUDIO)
    exposed = set(re.split(r",\s*", answer.headers["access-control-expose-headers"]))
    assert {"content-location", "x-pagination-total", "x-pagination-next"} <= exposed
    assert {name for name in answer.headers if name.startswith("x-omni-")} <= exposed


def test_a_server_has_the_names_and_origins_that_it_was_given(configured: str, configured_folder: Path) -> None:
    url = configured
    names = {"host": "agents.example.com"}
    card = httpx.get(f"{url}/.well-known/agent-card.json", headers=names, timeout=30).json()
    assert {each["url"] for each in card["supportedInterfaces"]} == {"http://agents.example.com/a2a"}
    assert httpx.post(f"{url}/threads", json={}, headers={**names, "origin": "https://agents.example.com"}).is_success
    assert httpx.post(f"{url}/threads", json={}, headers={"origin": "https://chat.example"}).is_success
    assert httpx.post(f"{url}/threads", json={}, headers={"origin": EVIL}).status_code == 403
    assert "OMNI_API_KEY protects only /v1" in (configured_folder / "server.log").read_text()


@pytest.mark.parametrize("variable", ["OMNI_HOSTS", "OMNI_MCP_HOSTS"])
def test_names_are_read_from_either_variable(variable: str) -> None:
    allowed = allowed_hosts({variable: " Agents.example.com:8443, other.example,"})
    for host in ("agents.example.com", "AGENTS.EXAMPLE.COM:1", "other.example", "localhost:1", "192.0.2.1"):
        assert allowed.serves_host(host), host
    assert not allowed.serves_host("agents.example.com.evil.example")
    assert allowed.serves_origin("https://other.example:8443", [])
    assert not allowed.serves_origin("https://192.0.2.1", ["localhost"])
    assert allowed.serves_origin("http://192.0.2.1", ["192.0.2.1"])
    everything = allowed_hosts({variable: "*"})
    assert everything.serves_host("evil.example")
    assert everything.serves_origin(EVIL, [])


@pytest.mark.parametrize("value", ["https://agents.example.com", "a b", "*.example.com", "a:b", "a@b", "ä.example"])
def test_what_cannot_be_a_host_name_is_named(value: str) -> None:
    with pytest.raises(ConfigurationError, match="OMNI_HOSTS holds") as caught:
        configured_hosts({"OMNI_HOSTS": f"agents.example.com,{value}"})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "served", "refused"),
    [
        ({}, [STUDIO], ["https://a.example"]),
        ({"CORS_ALLOW_ORIGINS": "https://a.example"}, ["https://a.example"], [STUDIO]),
        ({"CORS_ALLOW_ORIGINS": "*"}, ["https://a.example"], []),
        ({"LANGGRAPH_HTTP": {"cors": {"allow_origins": ["*"]}}}, ["https://a.example"], []),
        ({"LANGGRAPH_HTTP": {"cors": {"allow_origins": ["https://a.example"]}}}, ["https://a.example"], [STUDIO]),
        (
            {"LANGGRAPH_HTTP": {"cors": {"allow_origin_regex": r"https://\w+\.a\.example"}}},
            ["https://b.a.example"],
            ["https://b.a.example.evil", "https://bXa.example", STUDIO],
        ),
        ({"CORS_CONFIG": {"allow_origins": ["https://a.example"]}}, ["https://a.example"], [STUDIO]),
    ],
)
def test_the_origins_are_those_of_langgraph_json(
    variables: dict[str, Any], served: list[str], refused: list[str]
) -> None:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in variables.items()}
    allowed = hosts_of_server(texts)
    assert [origin for origin in served if not allowed.serves_origin(origin, [])] == []
    assert [origin for origin in refused if allowed.serves_origin(origin, [])] == []
    assert not allowed.serves_host("evil.example")


def test_a_pattern_of_origins_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"allow_origin_regex is '\('"):
        hosts_of_server({"LANGGRAPH_HTTP": json.dumps({"cors": {"allow_origin_regex": "("}})})


def test_who_has_authentication_is_reported_nothing_of_the_key() -> None:
    assert "docs/how-to/auth.md" in (key_notice({"OMNI_API_KEY": "s3cret"}) or "")
    assert key_notice({"OMNI_API_KEY": "s3cret", "LANGGRAPH_AUTH": '{"path": "./auth.py:auth"}'}) is None
    assert key_notice({}) is None
