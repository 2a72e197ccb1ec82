"""Around a block of huggingface_hub calls: the run's own token towards the Hub, and a time limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_current: ContextVar[tuple[str | None, float] | None] = ContextVar("hub_call", default=None)


@contextmanager
def hub_call(token: str | None, timeout: float) -> Iterator[None]:
    """Send `token` on the Hub requests made in the block, and give up after `timeout` seconds of silence.

    Both are missing in the client where it asks the Hub who serves a model, or fetches a picture that a provider left
    at a URL: it then uses the process's own login, and waits for ever.
    """
    from huggingface_hub import get_session

    client = get_session()
    hooks = client.event_hooks
    if _sign not in hooks["request"]:
        client.event_hooks = {**hooks, "request": [*hooks["request"], _sign]}
    before = _current.set((token, timeout))
    try:
        yield
    finally:
        _current.reset(before)


def _sign(request: "httpx.Request") -> None:
    import httpx
    from huggingface_hub import constants

    if (call := _current.get()) is None:
        return
    token, timeout = call
    limits = request.extensions.setdefault("timeout", {})
    request.extensions["timeout"] = {**httpx.Timeout(timeout).as_dict(), **{k: v for k, v in limits.items() if v}}
    hub = httpx.URL(constants.ENDPOINT)
    # Scheme and port too: the same name over plain http would show the token to everyone on the way.
    if token and (request.url.scheme, request.url.host, request.url.port) == (hub.scheme, hub.host, hub.port):
        request.headers["authorization"] = f"Bearer {token}"
