"""Around a block of huggingface_hub calls: the run's token, time limits, hanging up, and no private addresses."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from omni_router.errors import BadImage
from omni_router.hub import cancellation as hang_up
from omni_router.hub.answer_limits import LISTING, AnswerLimit
from omni_router.images.fetch import look_up, pin_address
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

INFERENCE_ROUTER = "router.huggingface.co"  # what the client calls for every provider
HUB_TIMEOUT = 3.0  # seconds for what the Hub is asked: that stands before the answer, and takes it milliseconds


class HubHealth(Protocol):
    """What is known of whether the Hub answers at all."""

    def is_down(self) -> bool:
        """Return whether the Hub did not answer a moment ago."""
        ...

    def note_down(self) -> None:
        """Note that the Hub did not answer."""
        ...


@dataclass
class _Call:
    token: str | None
    timeout: float  # seconds
    started: float
    asked: float  # when its last request began
    limit: float  # seconds for that request
    health: HubHealth | None
    most: AnswerLimit
    asks_hub: bool = False  # whether its last request went to the Hub


_current: ContextVar[_Call | None] = ContextVar("hub_call", default=None)


@contextmanager
def hub_call(
    token: str | None, timeout: float, most: AnswerLimit = LISTING, *, health: HubHealth | None = None
) -> Iterator[None]:
    """Send `token` on the Hub requests made in the block, and give up after `timeout` seconds of silence.

    Both are missing in the client where it asks the Hub who serves a model, or fetches a picture that a provider left
    at a URL: it then uses the process's own login, and waits for ever. Once `timeout` is over no further request
    begins, which ends the client's polling for a picture that never comes. An address outside Hugging Face, as a
    provider may hand over, has to be a public one. An answer that holds more than `most` ends with AnswerTooLong.

    The Hub itself gets `HUB_TIMEOUT` at most, however long a model may take. Where `health` is given, a Hub that is
    known to be down is not asked, and one that stays silent is noted.

    Raises:
        HungUp: the run that this thread works for was cancelled.
        httpx.ConnectError: the Hub is known to be down.
    """
    from huggingface_hub import get_session

    from omni_router.hub.http import httpx

    client = get_session()
    hooks = client.event_hooks
    if _sign not in hooks["request"]:
        client.event_hooks = {
            **hooks,
            "request": [*hooks["request"], _sign],
            "response": [*hooks["response"], _listen],
        }
    now = time.monotonic()
    call = _Call(token, timeout, started=now, asked=now, limit=timeout, health=health, most=most)
    before = _current.set(call)
    try:
        yield
    except Exception as error:
        hang_up.check()  # how a call ends that is hung up is not the client's failure
        if call.health and call.asks_hub and isinstance(error, httpx.TimeoutException):
            call.health.note_down()  # it is not the model that is silent: no other model would fare better
        raise
    finally:
        _current.reset(before)


def _sign(request: "httpx.Request") -> None:
    from huggingface_hub import constants

    from omni_router.hub.http import httpx

    if (call := _current.get()) is None:
        return
    hang_up.follow(request)
    call.asked = time.monotonic()
    if call.asked > call.started + call.timeout:
        raise httpx.ReadTimeout(f"no answer within {call.timeout:g} s", request=request)
    request.headers["accept-encoding"] = "gzip"  # what is unpacked while it is counted
    hub = httpx.URL(constants.ENDPOINT)
    # Scheme and port too: the same name over plain http would show the token to everyone on the way.
    call.asks_hub = (request.url.scheme, request.url.host, request.url.port) == (hub.scheme, hub.host, hub.port)
    call.limit = min(call.timeout, HUB_TIMEOUT) if call.asks_hub else call.timeout
    limits = request.extensions.setdefault("timeout", {})
    own = {name: seconds for name, seconds in limits.items() if seconds and seconds <= call.limit}
    request.extensions["timeout"] = {**httpx.Timeout(call.limit).as_dict(), **own}
    if call.asks_hub:
        if call.health and call.health.is_down():
            raise httpx.ConnectError("the Hub did not answer a moment ago", request=request)
        if call.token:
            request.headers["authorization"] = f"Bearer {call.token}"
    elif request.url.host != INFERENCE_ROUTER:
        _pin(request)


def _listen(response: "httpx.Response") -> None:
    if call := _current.get():
        response.stream = hang_up.Heard(response, call.asked, call.limit, call.most)


def _pin(request: "httpx.Request") -> None:
    """Send a request for a provider's picture to a checked public address, unless a proxy looks the name up."""
    from omni_router.hub.http import httpx

    box = active_simulation()
    if box is None and _goes_through_a_proxy(request.url):
        return
    try:
        url, headers, extensions = pin_address(request.url, box.resolve if box else look_up)
    except BadImage as error:
        raise httpx.InvalidURL(str(error)) from error
    if box is None:  # the sandbox answers by name
        request.url = url
        request.headers["host"] = headers["host"]
        request.extensions = {**request.extensions, **extensions}


def _goes_through_a_proxy(url: "httpx.URL") -> bool:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return (url.scheme in proxies or "all" in proxies) and not proxy_bypass(url.host)


def is_outage(error: Exception) -> bool:
    """Tell whether an error says that nobody can be answered now, and not only that this question was a bad one."""
    from omni_router.hub.http import httpx

    if (response := getattr(error, "response", None)) is not None:
        return bool(response.status_code in (408, 429) or response.status_code >= 500)  # noqa: PLR2004
    return isinstance(error, (OSError, httpx.RequestError))


def forget_providers() -> None:
    """Clear what the client remembers of who serves which model, for all its life: a retry has to ask again."""
    # No public way; a test notices when it moves.
    from huggingface_hub.inference._providers._common import _fetch_inference_provider_mapping

    _fetch_inference_provider_mapping.cache_clear()
