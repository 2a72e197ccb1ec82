"""A Hub on a loopback port that takes every question and never answers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import huggingface_hub

from omni_router._sandbox import Sandbox
from tests.support.hub_client import hub_client


class SilentHub(httpx.HTTPTransport):
    """Takes what is asked of the Hub to the loopback port, and everything else to the sandbox."""

    def __init__(self, port: int, box: Sandbox) -> None:
        super().__init__()
        self._port, self._box = port, box
        self.asked: list[str] = []  # paths of models

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != httpx.URL(huggingface_hub.constants.ENDPOINT).host:
            return self._box.transport.handle_request(request)
        if request.url.path.startswith("/api/models"):  # what the client asks for itself comes once a process
            self.asked.append(request.url.path)
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


@contextmanager
def silent_hub(box: Sandbox) -> Iterator[SilentHub]:
    """Let the client of this process ask such a Hub."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:  # the kernel accepts, nobody reads
        hub = SilentHub(server.getsockname()[1], box)
        with hub_client(hub):
            yield hub
