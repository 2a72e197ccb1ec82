"""Around a block of huggingface_hub calls: the run's token, time limits, cancellation, and no private addresses."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from omni_router.errors import BadImage
from omni_router.hub.answer_limits import LISTING, AnswerLimit
from omni_router.hub.cancellation import DeadlineStream, check_cancelled, track
from omni_router.hub.wire import watch_response
from omni_router.images.fetch import look_up, pin_address
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

INFERENCE_ROUTER = "router.huggingface.co"  # the client calls it for every provider
DATASETS_SERVER = "datasets-server.huggingface.co"  # rows of public datasets; it gets no token
HUB_TIMEOUT = 3.0  # seconds for a request to the Hub: it delays the answer, and takes milliseconds
SERVER_ERROR, REQUEST_TIMEOUT, TOO_MANY_REQUESTS = 500, 408, 429


class HubHealth(Protocol):
    """Whether the Hub answers at all."""

    def is_down(self) -> bool:
        """Return whether the Hub did not answer a moment ago."""
        ...

    def note_down(self) -> None:
        """Note that the Hub did not answer."""
        ...


@dataclass
class _Session:
    token: str | None
    timeout: float  # seconds, for the whole block and for each request
    started: float
    health: HubHealth | None
    answer_limit: AnswerLimit
    read_headers: Callable[[Mapping[str, str]], None] | None
    request_started: float  # when its last request started
    request_timeout: float  # the timeout of its last request, in seconds
    asks_hub: bool = False  # whether its last request went to the Hub

    def report(self, error: Exception) -> None:
        """Note a Hub that was silent: the model is not to blame, and another model would fare no better."""
        from omni_router.hub.http import httpx

        if self.health and self.asks_hub and isinstance(error, httpx.TimeoutException):
            self.health.note_down()


_session: ContextVar[_Session | None] = ContextVar("hub_session", default=None)


@contextmanager
def hub_session(
    token: str | None,
    timeout: float,
    limit: AnswerLimit = LISTING,
    *,
    health: HubHealth | None = None,
    read_headers: Callable[[Mapping[str, str]], None] | None = None,
) -> Iterator[None]:
    """Send `token` on the Hub requests made in the block, and give up after `timeout` seconds of silence.

    The client does neither where it asks the Hub who serves a model, or fetches an image that a provider left at a URL:
    it then uses the process's own login, and waits for ever. Once `timeout` is over no further request begins, which
    ends the client's polling for an image that never comes. An address outside Hugging Face, as a provider may return,
    has to be a public one. An answer that holds more than `limit` ends with AnswerTooLong.

    The Hub itself gets `HUB_TIMEOUT` at most, however long a model may take. With `health`, a Hub that is known to be
    down is not asked, and one that stays silent is noted. `read_headers` receives the headers of every response of the
    router of Inference Providers.

    Raises:
        RunCancelled: the run that this thread works for was cancelled.
        httpx.ConnectError: the Hub is known to be down.
    """
    _install_hooks()
    now = time.monotonic()
    session = _Session(token, timeout, now, health, limit, read_headers, request_started=now, request_timeout=timeout)
    before = _session.set(session)
    try:
        yield
    except Exception as error:
        check_cancelled()  # how a cancelled call ends is not the client's failure
        session.report(error)
        raise
    finally:
        _session.reset(before)


def is_outage(error: Exception) -> bool:
    """Return whether an error means that no query can be answered now, and not only that this one was bad."""
    from omni_router.hub.http import httpx

    if (response := getattr(error, "response", None)) is not None:
        status: int = response.status_code
        return status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or status >= SERVER_ERROR
    return isinstance(error, (OSError, httpx.RequestError))


def forget_providers() -> None:
    """Clear the client's lasting memory of who serves which model, so that a retry asks again."""
    # No public way; a test notices when it moves.
    from huggingface_hub.inference._providers._common import _fetch_inference_provider_mapping

    _fetch_inference_provider_mapping.cache_clear()


def _install_hooks() -> None:
    from huggingface_hub import get_session

    client = get_session()
    hooks = client.event_hooks
    if _on_request not in hooks["request"]:
        client.event_hooks = {
            **hooks,
            "request": [*hooks["request"], _on_request],
            "response": [*hooks["response"], _on_response],
        }


def _on_request(request: "httpx.Request") -> None:
    from omni_router.hub.http import httpx

    session = _session.get()
    if session is None:
        return
    track(request)
    session.request_started = time.monotonic()
    if session.request_started > session.started + session.timeout:
        raise httpx.ReadTimeout(f"no answer within {session.timeout:g} s", request=request)
    request.headers["accept-encoding"] = "gzip"  # the encoding that is unpacked while it is counted
    session.asks_hub = _goes_to_hub(request.url)
    session.request_timeout = session.timeout
    if session.asks_hub:
        session.request_timeout = min(session.timeout, HUB_TIMEOUT)
    _limit_time(request, session.request_timeout)
    if session.asks_hub:
        if session.health and session.health.is_down():
            raise httpx.ConnectError("the Hub did not answer a moment ago", request=request)
        if session.token:
            request.headers["authorization"] = f"Bearer {session.token}"
    elif request.url.host not in (INFERENCE_ROUTER, DATASETS_SERVER):
        _pin(request)


def _on_response(response: "httpx.Response") -> None:
    if session := _session.get():
        if session.read_headers and response.request.url.host == INFERENCE_ROUTER:
            session.read_headers(response.headers)
        response.stream = DeadlineStream(
            response, session.request_started, session.request_timeout, session.answer_limit
        )
        watch_response(response)


def _goes_to_hub(url: "httpx.URL") -> bool:
    """Compare scheme and port too: the same name over plain http would show the token to everyone on the way."""
    from huggingface_hub import constants

    from omni_router.hub.http import httpx

    hub = httpx.URL(constants.ENDPOINT)
    return (url.scheme, url.host, url.port) == (hub.scheme, hub.host, hub.port)


def _limit_time(request: "httpx.Request", seconds: float) -> None:
    """Set a timeout where the client sets none, or a longer one."""
    from omni_router.hub.http import httpx

    timeouts = request.extensions.get("timeout", {})
    shorter = {name: own for name, own in timeouts.items() if own and own <= seconds}
    request.extensions["timeout"] = {**httpx.Timeout(seconds).as_dict(), **shorter}


def _pin(request: "httpx.Request") -> None:
    """Send a request for a provider's image to a checked public address, unless a proxy looks the name up."""
    from omni_router.hub.http import httpx

    simulation = active_simulation()
    if simulation is None and _uses_proxy(request.url):
        return
    resolve = simulation.resolve if simulation else look_up
    try:
        url, headers, extensions = pin_address(request.url, resolve)
    except BadImage as error:
        raise httpx.InvalidURL(str(error)) from error
    if simulation is None:  # a simulation answers by name
        request.url = url
        request.headers["host"] = headers["host"]
        request.extensions = {**request.extensions, **extensions}


def _uses_proxy(url: "httpx.URL") -> bool:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return (url.scheme in proxies or "all" in proxies) and not proxy_bypass(url.host)
