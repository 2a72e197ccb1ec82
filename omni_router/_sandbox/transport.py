"""The httpx transport of a sandbox: which request is answered by what."""

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from huggingface_hub import constants

from omni_router._sandbox import calls, chat, hub, pictures
from omni_router._sandbox.faults import FAULTS, Fault, Where
from omni_router.hub.http import httpx

if TYPE_CHECKING:
    from omni_router._sandbox.box import Sandbox

_HUB_HOSTS = {"huggingface.co", urlsplit(constants.ENDPOINT).hostname}
_ROUTER_HOST = urlsplit(constants.INFERENCE_PROXY_TEMPLATE).hostname
_WRONG_TOKEN = "hf_wrong"  # noqa: S105 (the one that is refused, so that a wrong token can be tried)


class SandboxTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers every request from memory."""

    def __init__(self, box: "Sandbox") -> None:
        self._box = box

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        request.read()
        call = calls.read(request, self._box.models()) if request.method == "POST" else None
        self._record(request, call)
        if request.method == "POST":
            return self._specialist(request, call)
        chats = request.url.host == _ROUTER_HOST and request.url.path == hub.CHAT_MODELS_PATH
        if request.url.host == _ROUTER_HOST and not chats:
            return _nothing_there(request)
        where: Where = "hub" if chats or request.url.host in _HUB_HOSTS else "web"
        asks_catalog = (
            chats
            or set(request.url.params.get_list("expand")) - {"inferenceProviderMapping"}
            or (request.url.path == hub.MODELS_PATH)
        )
        if fault := self._box.take_fault(where) or (self._box.take_fault("catalog") if asks_catalog else None):
            return self._failure(request, fault)
        if chats:
            return httpx.Response(200, json=hub.chat_models(self._box))
        if where == "hub":
            return hub.answer(self._box, request)
        return pictures.fetch(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of an async client; waits must not hold up its loop."""
        await request.aread()
        return await asyncio.to_thread(self.handle_request, request)

    def _record(self, request: httpx.Request, call: calls.Call | None) -> None:
        from omni_router._sandbox.box import Record

        url = request.url
        asked = url.path.removeprefix(f"{hub.MODELS_PATH}/")
        model = call.model if call else asked if asked != url.path else None
        query = parse_qs(url.query.decode())
        self._box.record(Record(request.method, url.host, url.path, query, model, _parameters(call), _token(request)))

    def _specialist(self, request: httpx.Request, call: calls.Call | None) -> httpx.Response:
        token = _token(request)
        if token is None or not token.startswith("hf_") or token == _WRONG_TOKEN:
            return self._failure(request, FAULTS["token_401"])
        if call is None or request.url.host != _ROUTER_HOST:
            return _nothing_there(request)
        fault = self._box.take_fault("specialist", call.model, call.prompt)
        if fault and not fault.shape:
            if fault.raises is None:
                wait(request, self._box.latency)
            return self._failure(request, fault)
        wait(request, self._box.latency)
        if not self._serves(call):
            return self._failure(request, FAULTS["model_not_supported"])
        shape = fault.shape if fault else None
        if call.task != "conversational":
            return pictures.answer(call, shape)
        chunk_delay = self._box.chunk_delay
        sees = self._box.models()[call.model].task == "image-text-to-text"
        return chat.answer(call, shape, sees=sees, pause=lambda: wait(request, chunk_delay))

    def _serves(self, call: calls.Call) -> bool:
        model = self._box.models().get(call.model)
        if model is None or not model.providers or model.provider_task != call.task:
            return False
        return call.provider is None or call.provider in model.providers

    @staticmethod
    def _failure(request: httpx.Request, fault: Fault) -> httpx.Response:
        if fault.raises == "ReadTimeout":
            raise httpx.ReadTimeout("The read operation timed out (simulated)", request=request)
        if fault.raises == "ConnectError":
            raise httpx.ConnectError("[Errno 111] Connection refused (simulated)", request=request)
        if isinstance(fault.body, bytes):
            return httpx.Response(fault.status, content=fault.body, headers=fault.headers)
        return httpx.Response(fault.status, json=fault.body, headers=fault.headers)


def wait(request: httpx.Request, seconds: float) -> None:
    """Take as long as asked, but no longer than the caller is willing to wait."""
    limit = request.extensions.get("timeout", {}).get("read")
    if limit is not None and seconds > limit:
        time.sleep(limit)
        raise httpx.ReadTimeout("The read operation timed out (simulated)", request=request)
    if seconds > 0:
        time.sleep(seconds)


def _parameters(call: calls.Call | None) -> dict[str, Any]:
    """Return what a chat was asked for beside its messages and tools, which may be large."""
    if call is None or call.task != "conversational":
        return {}
    return {name: value for name, value in call.body.items() if name not in ("messages", "tools")}


def _nothing_there(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"error": f"The sandbox serves nothing at {request.url.copy_with(query=None)}"})


def _token(request: httpx.Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token or None if scheme.lower() == "bearer" else None
