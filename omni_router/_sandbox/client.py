"""The hooks into huggingface_hub: the only place that touches what the client keeps to itself."""

import threading
from collections.abc import Callable

import huggingface_hub
from huggingface_hub.inference._providers import _common, hf_inference
from huggingface_hub.utils import _http

from omni_router._sandbox.box import Sandbox
from omni_router.hub.http import httpx
from omni_router.simulation import INSTALLED

_lock = threading.Lock()

# For each installed box what it replaced, so that boxes may be left in any order.
_before: dict[int, tuple[Callable[[], httpx.Client], Callable[[], httpx.AsyncClient]]] = {}


def enter(box: Sandbox) -> None:
    """Make `box` the one that answers."""
    with _lock:
        if box in INSTALLED:
            raise ValueError("This sandbox is installed already; make another one to nest them.")
        # The client tells nobody which factories are set, and a test suite may well have set its own.
        _before[id(box)] = (_http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY)  # noqa: SLF001
        INSTALLED.append(box)
        # No event hooks: the client's own hook is what refuses every request under HF_HUB_OFFLINE.
        # No timeout, as in the client's own factories: who waits says how long with each request.
        _set(
            lambda: httpx.Client(transport=box.transport, follow_redirects=True, timeout=None),
            lambda: httpx.AsyncClient(transport=box.transport, follow_redirects=True, timeout=None),
        )


def leave(box: Sandbox) -> None:
    """Put back what answered before `box`; a second time does nothing."""
    with _lock:
        if box not in INSTALLED:
            return
        place = INSTALLED.index(box)
        before = _before.pop(id(box))
        INSTALLED.remove(box)
        if place == len(INSTALLED):
            _set(*before)
        else:  # a box entered later is still in use: it goes back to what this one would have gone back to
            _before[id(INSTALLED[place])] = before


def _set(sync: Callable[[], httpx.Client], asynchronous: Callable[[], httpx.AsyncClient]) -> None:
    huggingface_hub.set_client_factory(sync)
    huggingface_hub.set_async_client_factory(asynchronous)
    # The client remembers for ever who serves a model: what was learnt inside must not be believed outside.
    _common._fetch_inference_provider_mapping.cache_clear()  # noqa: SLF001
    hf_inference._check_supported_task.cache_clear()  # noqa: SLF001
