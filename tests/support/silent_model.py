"""A model on a loopback port that falls silent where a test wants it to, and notices who hangs up."""

import json
import queue
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import huggingface_hub

from omni_router._sandbox import Sandbox
from tests.support.hub_client import hub_client

Silence = Literal["before the answer", "within the answer", "never", "drops", "comments"]


class SilentModel(socketserver.ThreadingTCPServer):
    """Answers chats, plain and streamed, over connections that are kept; `silent` may be changed between two calls."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.tls = tls
        self.silent: Silence = "before the answer"
        self.connections = 0
        self.asked: queue.Queue[dict[str, Any]] = queue.Queue()  # the body of each request
        self.hung_up: queue.Queue[None] = queue.Queue()  # an item for each connection

    def get_request(self) -> tuple[Any, Any]:
        connected, address = super().get_request()
        self.connections += 1
        return (self.tls.wrap_socket(connected, server_side=True) if self.tls else connected), address

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: SilentModel

    def handle(self) -> None:
        while request := self._read():
            self.server.asked.put(request)
            try:
                self._answer(stream=bool(request.get("stream")), silent=self.server.silent)
            except OSError:
                break
            if self.server.silent != "never":
                self.rfile.read(1)  # nothing comes but the end
                break
        self.server.hung_up.put(None)

    def _read(self) -> dict[str, Any] | None:
        length = 0
        try:
            while line := self.rfile.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            return dict(json.loads(self.rfile.read(length))) if length else None
        except OSError:
            return None

    def _answer(self, *, stream: bool, silent: Silence) -> None:
        if silent == "before the answer":
            return
        kind = "text/event-stream" if stream else "application/json"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        self.wfile.write(head.encode())
        message = {"role": "assistant", "content": "an answer"}
        choice = {"index": 0, "finish_reason": None if stream else "stop", "delta" if stream else "message": message}
        body = json.dumps({"id": "1", "object": "chat", "created": 0, "model": "m", "choices": [choice]})
        while silent in ("drops", "comments"):
            self._send(": still here\n\n" if silent == "comments" else " ")
            time.sleep(0.05)
        self._send(f"data: {body}\n\n" if stream else body if silent == "never" else body[:10])
        if silent == "never":
            self._send("data: [DONE]\n\n" if stream else "")
            if stream:
                self._send("")

    def _send(self, text: str) -> None:
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())
        self.wfile.flush()


class _There(httpx.HTTPTransport):
    """Takes what is asked of models to the loopback port, and everything else to the sandbox."""

    def __init__(self, url: str, box: Sandbox) -> None:
        super().__init__(verify=False)  # a certificate of our own, on loopback
        self._url, self._box = httpx.URL(url), box

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return self._box.transport.handle_request(request)
        request.url = request.url.copy_with(scheme=self._url.scheme, host=self._url.host, port=self._url.port)
        return super().handle_request(request)


def lead_to(url: str, box: Sandbox) -> None:
    """Let the client of this process call the model at `url`."""
    huggingface_hub.set_client_factory(
        lambda: httpx.Client(transport=_There(url, box), follow_redirects=True, timeout=None)  # noqa: S113
    )


@contextmanager
def served_model(tls: ssl.SSLContext | None = None) -> Iterator[SilentModel]:
    """Serve a model that is there only to fall silent."""
    with SilentModel(tls) as model:
        threading.Thread(target=model.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield model
        finally:
            model.shutdown()


@contextmanager
def silent_model(box: Sandbox, tls: ssl.SSLContext | None = None) -> Iterator[SilentModel]:
    """Let the client of this process call such a model."""
    with served_model(tls) as model, hub_client(_There(model.url, box)):
        yield model


def own_certificate(folder: Path) -> ssl.SSLContext:
    """Make a server's TLS context with a certificate for 127.0.0.1 that lasts a day."""
    from datetime import datetime, timedelta, timezone

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "own.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return context
