"""The endpoint router against a real server, `transformers serve` with a checkpoint that was trained here."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from omni_router.cli import main
from omni_router.routers import OfferedRoute, Proposal, Turn, parse_reply
from omni_router.routers.endpoint import EndpointRouter
from tests.chat_server import transformers_serve
from tests.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES, build_tiny_checkpoint, expected_reply

pytestmark = pytest.mark.loopback

PATIENCE = 60.0  # seconds: the default is for a server with a GPU, and CI machines have two busy cores


def ask(text: str) -> list[Turn]:
    return [Turn(role="user", content=text)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_checkpoint(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(checkpoint, tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url


@pytest.fixture(autouse=True)
def _loopback(socket_enabled: None) -> None:
    """Allow sockets; the only address known here is that of the server."""


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/"])
def test_a_real_server_answers_with_the_contract(server: str, checkpoint: Path, base: str) -> None:
    router = EndpointRouter(server + base, str(checkpoint), timeout=PATIENCE)
    for prompt, answer in list(TINY_PAIRS.items())[:: 1 if base == "/v1" else 5]:
        reply = router.reply(ask(prompt), TINY_ROUTES)
        assert reply.text == expected_reply(answer)
        assert parse_reply(reply.text) == Proposal(*answer)
        assert reply.confidence is None
