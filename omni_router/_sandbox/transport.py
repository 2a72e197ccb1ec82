"""The httpx transport of a sandbox: it decides what answers a request."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from huggingface_hub import constants

from omni_router._sandbox import boards, calls, chat, counting, embeddings, hub, images, stream
from omni_router._sandbox.faults import FAULTS, Fault, Shape, Where
from omni_router._sandbox.models import MAPPING, MODELS_PATH, Model
from omni_router._sandbox.offers import LIVE, Offer
from omni_router.hub.http import httpx

_HUB_HOSTS = {"huggingface.co", urlsplit(constants.ENDPOINT).hostname}
_ROUTER_HOST = urlsplit(constants.INFERENCE_PROXY_TEMPLATE).hostname


class State(Protocol):
    """The part of a sandbox that answers depend on."""

    latency: float
    chunk_delay: float

    def models(self) -> dict[str, Model]:
        """Return the models as they are now."""
        ...

    def record(self, record: calls.Record) -> None:
        """Record a request."""
        ...

    def change_for(self, path: str) -> Callable[[Any], Any] | None:
        """Return what is to change the answers under a path."""
        ...

    def take_fault(
        self, where: Where, model: str | None = None, prompt: str = "", provider: str | None = None
    ) -> Fault | None:
        """Return what is to go wrong with a request."""
        ...


class SandboxTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers every request from memory."""

    def __init__(self, sandbox: State) -> None:
        self._sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        response = self._respond(request)
        change = self._sandbox.change_for(request.url.path)
        return response if change is None else stream.bend(response, change)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if request.method == "POST":
            call = calls.read(request, self._sandbox.models())
            self._record(request, call)
            return self._call_specialist(request, call)
        self._record(request, None)
        if request.url.host == _ROUTER_HOST and request.url.path != hub.CHAT_MODELS_PATH:
            return _nothing_there(request)
        fault = self._fault_of_look_up(request)
        if fault is not None:
            return _fail(request, fault)
        return self._look_up(request)

    def _look_up(self, request: httpx.Request) -> httpx.Response:
        """Answer a GET that no fault is planned for."""
        if request.url.host == _ROUTER_HOST:
            return httpx.Response(200, json=hub.chat_models(self._sandbox.models()))
        if request.url.host in _HUB_HOSTS:
            return hub.answer(request, self._sandbox.models(), partial(self._sandbox.take_fault, "mapping"))
        if request.url.host == boards.ARENA_HOST:
            return boards.answer_arena(request, self._sandbox.models())
        return images.fetch(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client without blocking its loop."""
        await request.aread()
        return await asyncio.to_thread(self.handle_request, request)

    def _record(self, request: httpx.Request, call: calls.Call | None) -> None:
        url = request.url
        model = parameters = provider = None
        if call is not None:
            model, parameters = call.model, _parameters(call)
            offer = calls.offer_for(call, self._sandbox.models())
            provider = call.provider if offer is None else offer.provider
        elif url.path.startswith(f"{MODELS_PATH}/"):
            model = url.path.removeprefix(f"{MODELS_PATH}/")
        query = parse_qs(url.query.decode())
        self._sandbox.record(
            calls.Record(
                request.method, url.host, url.path, query, model, parameters or {}, provider, token=_token(request)
            )
        )

    def _fault_of_look_up(self, request: httpx.Request) -> Fault | None:
        """Return what is to go wrong with a GET: for boards, at the Hub, for the catalog, or in the rest of the web."""
        url = request.url
        if _is_of_boards(url) and (fault := self._sandbox.take_fault("boards")):
            return fault
        where: Where = "web"
        if url.host == _ROUTER_HOST or url.host in _HUB_HOSTS:
            where = "hub"
        fault = self._sandbox.take_fault(where)
        if fault is None and _is_of_catalog(url):
            fault = self._sandbox.take_fault("catalog")
        return fault

    def _call_specialist(self, request: httpx.Request, call: calls.Call | None) -> httpx.Response:
        token = _token(request)
        if hub.is_wrong_token(token or ""):
            return _fail(request, FAULTS["token_401"])
        if call is None or request.url.host != _ROUTER_HOST:
            return _nothing_there(request)
        offer = calls.offer_for(call, self._sandbox.models())
        provider = None if offer is None else offer.provider
        fault = self._sandbox.take_fault("specialist", call.model, call.prompt, provider)
        if fault is None or fault.raises is None:
            wait(request, self._sandbox.latency)
        if fault is not None and fault.shape is None:
            return _fail(request, fault)
        if offer is None:
            return _fail(request, FAULTS["model_not_supported"])
        if offer.status != LIVE:  # a provider that is listed as failing fails
            return _fail(request, FAULTS["failed_dependency_424"])
        response = self._answer(request, call, offer, None if fault is None else fault.shape)
        response.headers["x-inference-provider"] = offer.provider
        return response

    def _answer(self, request: httpx.Request, call: calls.Call, offer: Offer, shape: Shape | None) -> httpx.Response:
        if call.task in embeddings.TASKS:
            return embeddings.answer(call, shape)
        if call.task != "conversational":
            return images.answer(call, shape)
        if error := counting.why_too_long(call, offer.context_length):
            return httpx.Response(400, json={"error": error})
        chunk_delay = self._sandbox.chunk_delay
        model = self._sandbox.models()[call.model]
        return chat.answer(call, shape, model=model, pause=lambda: wait(request, chunk_delay))


def wait(request: httpx.Request, seconds: float) -> None:
    """Wait, but no longer than the caller's timeout.

    Raises:
        httpx.ReadTimeout: the timeout is shorter.
    """
    limit = request.extensions.get("timeout", {}).get("read")
    if limit is not None and seconds > limit:
        time.sleep(limit)
        raise httpx.ReadTimeout("The read operation timed out (simulated)", request=request)
    if seconds > 0:
        time.sleep(seconds)


def _is_of_catalog(url: httpx.URL) -> bool:
    """Check whether the catalog asks: it lists models, or expands more than the mapping, which the client asks for."""
    if url.path == MODELS_PATH or url.host == _ROUTER_HOST:
        return True
    return bool(set(url.params.get_list("expand")) - {MAPPING})


def _is_of_boards(url: httpx.URL) -> bool:
    return url.host == boards.ARENA_HOST or (url.host in _HUB_HOSTS and url.path.startswith(boards.DATASETS_PATH))


def _fail(request: httpx.Request, fault: Fault) -> httpx.Response:
    if fault.raises == "ReadTimeout":
        raise httpx.ReadTimeout("The read operation timed out (simulated)", request=request)
    if fault.raises == "ConnectError":
        raise httpx.ConnectError("[Errno 111] Connection refused (simulated)", request=request)
    if isinstance(fault.body, bytes):
        return httpx.Response(fault.status, content=fault.body, headers=fault.headers)
    return httpx.Response(fault.status, json=fault.body, headers=fault.headers)


def _parameters(call: calls.Call) -> dict[str, Any]:
    """Return the parameters of a chat, without its messages and tools, which may be large."""
    if call.task != "conversational":
        return {}
    return {name: value for name, value in call.body.items() if name not in ("messages", "tools")}


def _nothing_there(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"error": f"The sandbox serves nothing at {request.url.copy_with(query=None)}"})


def _token(request: httpx.Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return token or None
