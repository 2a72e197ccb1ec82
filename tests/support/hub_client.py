"""The client of huggingface_hub in this process, led where a test wants it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import huggingface_hub
from huggingface_hub.utils import _http


@contextmanager
def hub_client(transport: httpx.BaseTransport) -> Iterator[None]:
    """Send what the client asks through `transport`, and put the client that was there before back afterwards."""
    before = _http._GLOBAL_CLIENT_FACTORY  # huggingface_hub has no name for it
    huggingface_hub.set_client_factory(
        lambda: httpx.Client(transport=transport, follow_redirects=True, timeout=None)  # noqa: S113
    )
    try:
        yield
    finally:
        huggingface_hub.set_client_factory(before)
