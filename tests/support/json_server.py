"""A server on a free loopback port that answers each path with given JSON."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def json_server(answers: Mapping[str, Any], requests: list[str] | None = None) -> Iterator[str]:
    """Serve, and yield the address; a list holds the answers to successive requests, and its last one is repeated.

    `requests` gets the headers and the body of each request.
    """
    left = {path: list(answer) if isinstance(answer, list) else [answer] for path, answer in answers.items()}

    def note(text: str) -> None:
        if requests is not None:
            requests.append(text)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            note(self.rfile.read(int(self.headers["content-length"])).decode())
            self.do_GET()

        def do_GET(self) -> None:
            note(str(self.headers))
            known = left.get(self.path)
            answer = {"error": "not found"} if known is None else known.pop(0) if len(known) > 1 else known[0]
            body = json.dumps(answer).encode()
            self.send_response(404 if known is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
