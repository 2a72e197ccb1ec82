"""The hooks into huggingface_hub: the only place that uses private parts of the client."""

import threading
from collections.abc import Callable

import huggingface_hub
from huggingface_hub.inference._providers import _common, hf_inference
from huggingface_hub.utils import _http

from omni_router._sandbox.server import Sandbox
from omni_router.hub.http import httpx
from omni_router.simulation import INSTALLED

_lock = threading.Lock()

# What each installed sandbox replaced, so that sandboxes may be left in any order.
_before: dict[int, tuple[Callable[[], httpx.Client], Callable[[], httpx.AsyncClient]]] = {}


def enter(sandbox: Sandbox) -> None:
    """Replace the client's transports by those of a sandbox."""
    with _lock:
        if sandbox in INSTALLED:
            raise ValueError("This sandbox is installed already; make another one to nest them.")
        # The client has no public way to read the factories, and a test suite may well have set its own.
        _before[id(sandbox)] = (_http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY)  # noqa: SLF001
        INSTALLED.append(sandbox)
        # No event hooks: the client's own hook would refuse every request under HF_HUB_OFFLINE.
        # No timeout, as in the client's own factories: each request has its own.
        _set(
            lambda: httpx.Client(transport=sandbox.transport, follow_redirects=True, timeout=None),
            lambda: httpx.AsyncClient(transport=sandbox.transport, follow_redirects=True, timeout=None),
        )


def leave(sandbox: Sandbox) -> None:
    """Restore what answered before a sandbox; do nothing if it is restored already."""
    with _lock:
        if sandbox not in INSTALLED:
            return
        place = INSTALLED.index(sandbox)
        before = _before.pop(id(sandbox))
        INSTALLED.remove(sandbox)
        if place == len(INSTALLED):
            _set(*before)
        else:  # a sandbox entered later is still in use: leaving it restores what leaving this one would have
            _before[id(INSTALLED[place])] = before


def _set(sync: Callable[[], httpx.Client], asynchronous: Callable[[], httpx.AsyncClient]) -> None:
    huggingface_hub.set_client_factory(sync)
    huggingface_hub.set_async_client_factory(asynchronous)
    # The client caches for ever who serves a model: answers of a sandbox must not outlive it.
    _common._fetch_inference_provider_mapping.cache_clear()  # noqa: SLF001
    hf_inference._check_supported_task.cache_clear()  # noqa: SLF001
