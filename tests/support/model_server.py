"""A server of models on a loopback port, as Ollama or vLLM: OpenAI's chats, answered by a sandbox of its own."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

import httpx

from omni_router._sandbox import SANDBOX_TOKEN, Sandbox

CHATS = "https://router.huggingface.co/v1/chat/completions"
SMALL, SEEING = "llama3.2:3b", "hf.co/Qwen/Qwen3-VL:4b"


class Received(NamedTuple):
    """A request."""

    path: str
    key: str | None
    body: dict[str, Any]


class ModelServer(ThreadingHTTPServer):
    """Answers as the models of a sandbox would, by names of its own; what it lists and its key may be changed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.box = Sandbox()
        self.models = {SMALL: "sandbox/text-generation-1", SEEING: "sandbox/image-text-to-text-1"}
        self.listed: Any = [{"id": SMALL, "object": "model"}, {"id": SEEING, "object": "model"}]
        self.key: str | None = None
        self.redirect: str | None = None
        self.received: list[Received] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def chats(self) -> list[Received]:
        return [request for request in self.received if request.path.endswith("/chat/completions")]

    def answer(self, received: Received) -> httpx.Response:
        if self.redirect:
            return httpx.Response(307, headers={"location": self.redirect})
        if self.key and received.key != f"Bearer {self.key}":
            return httpx.Response(401, json={"error": {"message": f"the key {received.key} is wrong"}})
        if received.path == "/v1/models":
            return httpx.Response(200, json={"object": "list", "data": self.listed})
        name = received.body.get("model")
        if received.path != "/v1/chat/completions" or name not in self.models:
            return httpx.Response(404, json={"error": {"message": f"model {name!r} not found"}})
        body = {**received.body, "model": self.models[name]}
        headers = {"authorization": f"Bearer {SANDBOX_TOKEN}"}
        return self.box.transport.handle_request(httpx.Request("POST", CHATS, headers=headers, json=body))


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        received = Received(self.path, self.headers.get("authorization"), body)
        self.server.received.append(received)
        response = self.server.answer(received)
        self.send_response(response.status_code)
        for name in ("content-type", "location", "retry-after"):
            if value := response.headers.get(name):
                self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")  # a kept connection would be answered after the server has ended
        self.end_headers()
        try:
            for chunk in filter(None, cast("Iterable[bytes]", response.stream)):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
        except httpx.HTTPError:  # a fault that cuts the answer: it has no end
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve until the block is left."""
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
