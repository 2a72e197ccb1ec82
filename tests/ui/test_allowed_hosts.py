"""The page answers under the names of this machine alone, and no page of elsewhere can use it."""

from collections.abc import Iterator

import httpx
import pytest

from omni_router.cli import main
from omni_router.ui.remote import ServerBackend
from tests.support.browser import launched, loops_closed
from tests.support.dev_server import free_port
from tests.support.json_server import json_server

# Gradio runs in this process, and what it warns of is its own matter.
pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback, pytest.mark.filterwarnings("default")]

PATHS = pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/theme.css"])
CALL = {"data": [], "fn_index": 0, "session_hash": "1"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMNI_HOSTS", "chat.example")
        with launched(ServerBackend("http://127.0.0.1:9"), "", tmp_path_factory.mktemp("page")) as url:
            yield url


@PATHS
def test_a_name_that_only_resolves_here_is_refused(url: str, path: str) -> None:
    response = httpx.get(url + path, headers={"host": "evil.example:7860"})
    assert (response.status_code, response.json()["error"]["code"]) == (421, "unknown_host")


@PATHS
@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "192.0.2.1", "chat.example"])
def test_this_machine_addresses_and_what_was_named_are_served(url: str, path: str, host: str) -> None:
    assert httpx.get(url + path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_page_of_elsewhere_cannot_use_it(url: str, origin: str) -> None:
    headers = {"origin": origin, "content-type": "text/plain"}
    response = httpx.post(f"{url}/gradio_api/queue/join", json=CALL, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin")
    asks = {"origin": origin, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(f"{url}/gradio_api/queue/join", headers=asks).headers


def test_its_own_page_can(url: str) -> None:
    response = httpx.post(f"{url}/gradio_api/queue/join", json=CALL, headers={"origin": url})
    assert response.status_code not in (403, 421)


def test_a_name_that_cannot_be_one_is_reported_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNI_HOSTS", "http://x")
    with json_server({"/ok": {"ok": True}}) as server, loops_closed():
        assert main(["ui", "--server", server, "--port", str(free_port())]) == 2
    assert "OMNI_HOSTS holds 'http://x'" in capsys.readouterr().err
