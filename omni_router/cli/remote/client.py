"""Requests to a server of ours, by the standard library, which starts faster than any other client.

They go straight to the address: no proxy is used, and no redirect is followed, so that the key reaches nobody else.
"""

import json
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from omni_router._version import __version__
from omni_router.errors import ConfigurationError, OmniRouterError

CONNECT = 5.0  # seconds to reach the server; an answer then takes as long as its model does
ALIVE = 30.0  # seconds to say that it is alive, which it does at once unless the machine is very busy
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, FAILED = 400, 401, 403, 404, 500
SERVED = "omni-router serve serves them, and so does the LangGraph server of langgraph.json"
_DATA = b"data: "
_DONE = b"[DONE]"


class RequestRefused(OmniRouterError):  # noqa: N818 (a state, not an error)
    """The server answered with an error; `status` and `body` are those of its response."""

    def __init__(self, message: str, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body
        super().__init__(message)


class ConnectionLost(OmniRouterError):  # noqa: N818 (a state, not an error)
    """The connection ended before the answer did."""


class ServerClient:
    """Sends requests to one server.

    Args:
        address: its address.
        key: what it requires of its clients; it is sent nowhere else.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        self.address = address
        self._key = key
        parts = urlsplit(address)
        self._host, self._port, self._path = str(parts.hostname), parts.port, parts.path
        self._kind: type[HTTPConnection] = HTTPConnection
        if parts.scheme == "https":
            self._kind = HTTPSConnection

    def get(self, *path: str, field: str) -> dict[str, Any]:
        """Return the JSON object at a path, which is quoted; it has this field.

        Raises:
            OmniRouterError: the server does not answer, is not one of ours, or refuses.
        """
        with self._response("GET", "/" + "/".join(map(_quoted, path)), key=self._key) as response:
            return self._with_field(self._object(response), field)

    def post(self, path: str, body: Mapping[str, Any], *, field: str) -> dict[str, Any]:
        """Send a JSON object, and return the one that answers, which has this field.

        Raises:
            OmniRouterError: as for `get`.
        """
        with self._response("POST", path, body, key=self._key) as response:
            return self._with_field(self._object(response), field)

    def stream(self, path: str, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Send a JSON object, and yield the events of the answer; closing the iterator closes the connection.

        Raises:
            OmniRouterError: as for `get`, or the connection was lost.
        """
        with self._response("POST", path, body, key=self._key) as response:
            for line in response:
                data = line.strip().removeprefix(_DATA)
                if line.startswith(_DATA) and data == _DONE:
                    return
                if line.startswith(_DATA):
                    yield self._parse(data)
        raise ConnectionLost(f"the connection to {self.address} was lost before the answer ended")

    def check(self) -> None:
        """Check that a server of ours answers, before the key and a request are sent to somebody else's.

        Raises:
            OmniRouterError: none does.
        """
        try:
            with self._response("GET", "/omni/health", key=None, seconds=ALIVE) as response:
                is_ours = self._object(response).get("status") == "alive"
        except RequestRefused as error:
            is_ours = error.status in (UNAUTHORIZED, FORBIDDEN) or error.status >= FAILED  # not known yet
        except ConnectionLost as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise self._foreign() from error  # what came is not HTTP
            raise ConfigurationError(
                f"{self.address} takes connections, but did not answer within {ALIVE:g} seconds: is it busy, or not an "
                "omni-router server?"
            ) from error
        if not is_ours:
            raise self._foreign()

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None,
        seconds: float | None = None,
    ) -> Generator[HTTPResponse, None, None]:
        headers = {"Accept": "application/json, text/event-stream", "User-Agent": f"omni-router/{__version__}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data: bytes | None = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        connection = self._kind(self._host, self._port, timeout=CONNECT)
        try:
            self._connect(connection)
            connection.sock.settimeout(seconds)
            connection.request(method, self._path + path, data, headers)
            response = connection.getresponse()
            self._check(response, key)
            yield response
        except (OSError, HTTPException) as error:
            raise ConnectionLost(
                f"the connection to {self.address} was lost ({type(error).__name__}): is the server still running?"
            ) from error
        finally:
            connection.close()

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason
            raise ConfigurationError(
                f"{self.address} cannot be trusted, or does not speak TLS ({reason}): name the certificate of its "
                "authority in SSL_CERT_FILE, or pass an address with http:// as --server"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"no server answers at {self.address} ({error.strerror or error}): start one with omni-router serve, "
                "correct --server or OMNI_SERVER, or leave it out"
            ) from error

    def _check(self, response: HTTPResponse, key: str | None) -> None:
        """Raise for a response that is an error."""
        if response.status < 300:  # noqa: PLR2004 (redirects are not followed)
            return
        if response.status < BAD_REQUEST:
            raise ConfigurationError(f"{self.address} redirects to another address: pass that one as --server")
        body = self._error_body(response)
        error = body.get("error")
        if response.status == NOT_FOUND and not isinstance(error, Mapping):
            raise self._foreign()
        message = f"HTTP {response.status}"
        if isinstance(error, Mapping) and error.get("message"):
            message = str(error["message"])
        asks_for_key = response.status in (UNAUTHORIZED, FORBIDDEN) and "omni" not in body
        if asks_for_key and key == self._key:
            what = "is wrong" if key else "is not set"
            raise ConfigurationError(
                f"the server at {self.address} requires a key, and OMNI_API_KEY {what}: set it to the server's own, or "
                "to the key of a user there"
            )
        raise RequestRefused(message, response.status, body)

    def _error_body(self, response: HTTPResponse) -> dict[str, Any]:
        """Return the body of an error; that of a proxy before the server need not be JSON."""
        data = response.read()
        if response.status >= FAILED and not data.lstrip().startswith(b"{"):
            return {}
        return self._parse(data)

    def _object(self, response: HTTPResponse) -> dict[str, Any]:
        return self._parse(response.read())

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except ValueError:
            raise self._foreign() from None
        if not isinstance(value, dict):
            raise self._foreign()
        return value

    def _with_field(self, value: dict[str, Any], field: str) -> dict[str, Any]:
        if field not in value:
            raise self._foreign()
        return value

    def _foreign(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.address} answers, but is not an omni-router server (it has no /omni paths): {SERVED}"
        )


def _quoted(part: str) -> str:
    return quote(part, safe="")
