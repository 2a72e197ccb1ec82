"""Lists of addresses are kept as the Hub's are: asked for anew in the background, old ones while nobody answers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omni_router._sandbox import Sandbox
from omni_router.config.own_providers import OwnModel, OwnProvider
from omni_router.hub.cache import KEEP, KEEP_STALE
from omni_router.own_models.specialists import OwnModels
from omni_router.storage.sqlite import DiskCache
from tests.support.dev_server import free_port
from tests.support.model_server import SEEING, SMALL, ModelServer, model_server
from tests.support.openai_server import wait_for

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID, SEEING_ID = "local/llama3.2-3b", "local/hf.co-Qwen-Qwen3-VL-4b"
Open = Callable[[str], OwnModels]


class Clock:
    """A clock of seconds that a test sets forward."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Open:
    def open_models(address: str) -> OwnModels:
        return OwnModels(lambda: (OwnProvider("local", address),), clock=clock)

    return open_models


def asked(server: ModelServer) -> int:
    return len([request for request in server.received if request.path == "/v1/models"])


def test_an_old_list_is_used_while_it_is_asked_for_anew(opened: Open, clock: Clock) -> None:
    with model_server() as server:
        own = opened(server.url)
        assert list(own.all()) == [ID, SEEING_ID]
        assert own.all() is own.all()
        server.listed = server.listed[:1]
        clock.now += KEEP + 1
        assert list(own.all()) == [ID, SEEING_ID]
        wait_for(lambda: list(own.all()) == [ID])
        assert asked(server) == 2


def test_an_old_list_holds_for_a_week_while_nobody_answers(opened: Open, clock: Clock) -> None:
    with model_server() as server:
        own = opened(server.url)
        assert len(own.all()) == 2
    clock.now += KEEP_STALE - 1
    assert len(own.all()) == 2
    assert own.unlisted() == []
    clock.now += 2
    assert own.all() == {}
    assert [provider.address for provider in own.unlisted()] == [server.url]


def test_an_address_that_does_not_answer_is_left_alone_for_a_minute(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    own = opened(address)
    assert own.all() == own.all() == {}
    (message,) = caplog.messages
    assert message == f"could not fetch models at {address} from local: ConnectError"


@pytest.mark.parametrize("listed", [None, "models", {"id": SMALL}])
def test_another_form_of_list_is_none(opened: Open, server: ModelServer, listed: object) -> None:
    server.listed = listed
    own = opened(server.url)
    assert own.all() == {}
    assert [provider.address for provider in own.unlisted()] == [server.url]


def test_other_processes_share_a_list_and_a_sandbox_leaves_it_alone(
    server: ModelServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk, providers = DiskCache(tmp_path / "catalog.sqlite"), (OwnProvider("local", server.url),)
    assert len(OwnModels(lambda: providers, disk=disk).all()) == 2
    assert len(OwnModels(lambda: providers, disk=disk).all()) == 2
    assert asked(server) == 1
    box = request.getfixturevalue("sandbox")
    assert isinstance(box, Sandbox)
    assert len(OwnModels(lambda: providers, disk=disk).all()) == 2
    assert asked(server) == 2


def test_a_list_belongs_to_the_key_that_it_was_asked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOD_KEY", "a-secret")
    monkeypatch.setenv("BAD_KEY", "wrong-secret")
    with model_server() as server:
        server.key = "a-secret"
        good, bad = OwnProvider("good", server.url, "GOOD_KEY"), OwnProvider("bad", server.url, "BAD_KEY")
        own = OwnModels(lambda: (good, bad))
        assert {each.provider_name for each in own.all().values()} == {"good"}
        assert own.unlisted() == [bad]


def test_a_policy_that_changes_changes_the_models(server: ModelServer) -> None:
    providers = [OwnProvider("local", server.url)]
    own = OwnModels(lambda: tuple(providers))
    assert list(own.all()) == [ID, SEEING_ID]
    providers[:] = [OwnProvider("gpu", server.url, models=(OwnModel(SEEING),))]
    assert list(own.all()) == ["gpu/hf.co-Qwen-Qwen3-VL-4b"]
    assert (own.owns("gpu/x"), own.owns("local/x"), own.owns("acme/x")) == (True, True, False)
