"""The graph on a LangGraph server, by its SDK."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.messages import HumanMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError, OmniRouterError
from omni_router.events import SERVER_MODES, Finished, RouterReplied, RunEvent, from_server
from omni_router.history.protocol import ModelRecord

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

ASSISTANT = "omni_router"
CONNECT = 5.0  # seconds to reach a server; a run may then take as long as its models do
RUN_TIMEOUTS = (CONNECT, None, None, None)  # to connect, read, write, and wait for a connection
READY_WITHIN = 10.0  # seconds for a server that has just started to say whether its models are simulated
POLL_INTERVAL = 0.2  # seconds between two requests for that


def runs_sandbox(url: str) -> bool:
    """Check that a LangGraph server answers, and return whether its models are simulated.

    Raises:
        ConfigurationError: no LangGraph server answers there.
    """
    with httpx.Client(base_url=url, timeout=CONNECT) as client:
        try:
            if client.get("/ok").status_code == httpx.codes.NOT_FOUND:
                raise ConfigurationError(
                    f"{url} answers, but is not a LangGraph server (it has no /ok): pass --server the address of one; "
                    "make serve starts one on http://127.0.0.1:2024"
                )
            return _poll_sandbox(client)
        except httpx.HTTPError as error:
            raise ConfigurationError(
                f"no LangGraph server answers at {url} ({type(error).__name__}): start one with make serve, or open "
                "the page without --server"
            ) from error


def _poll_sandbox(client: httpx.Client) -> bool:
    """Ask until it is known; a server without /omni/ready, or one that requires a key, counts as real."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            report = client.get("/omni/ready").json()
        except ValueError:
            return False
        if not isinstance(report, dict) or "sandbox" not in report:
            return False
        if report["sandbox"] is not None or report.get("fails") or time.monotonic() > deadline:
            return report["sandbox"] is True
        time.sleep(POLL_INTERVAL)


class ServerBackend:
    """Runs turns on a LangGraph server, each chat in a thread of its own; the history is the server's."""

    keeps_feedback = False

    def __init__(self, url: str) -> None:
        self._url = url  # called without a key: the SDK would send one from the environment to any address

    async def stream(self, thread: str, message: HumanMessage | None, settings: Settings) -> AsyncIterator[RunEvent]:
        """Run one turn of a thread.

        Raises:
            OmniRouterError: the server does not answer, or the run failed there.
        """
        from langgraph_sdk import get_client

        question: dict[str, Any] = {"messages": []}
        if message is not None:
            question["messages"].append({"role": "user", "content": message.content})
        try:
            async with get_client(url=self._url, api_key=None, timeout=RUN_TIMEOUTS) as client:
                parts = client.runs.stream(
                    thread,
                    ASSISTANT,
                    input=question,
                    context=settings.model_dump(exclude_defaults=True),
                    stream_mode=SERVER_MODES,
                    if_not_exists="create",
                    on_disconnect="cancel",
                )
                async with aclosing(from_server((part.event, part.data) async for part in parts)) as events:
                    async for event in events:
                        if isinstance(event, Finished):
                            yield await _router_replied(client, thread)
                        yield event
        except httpx.HTTPError as error:
            raise OmniRouterError(_unreachable(self._url, error)) from error

    def forget(self, thread: str) -> None:
        """Drop a thread, if the server is still there, without blocking the page's event loop."""
        Thread(target=self._forget, args=(thread,), daemon=True).start()

    def _forget(self, thread: str) -> None:
        from langgraph_sdk import get_sync_client

        with suppress(httpx.HTTPError), get_sync_client(url=self._url, api_key=None, timeout=CONNECT) as client:
            client.threads.delete(thread)

    def routes(self) -> Sequence[Route]:
        """Return none: the policy is on the server."""
        return ()

    def models(self, route: str) -> Sequence[ModelRecord]:  # noqa: ARG002 (the protocol)
        """Return none: the history is on the server."""
        return ()

    def examples(self, route: Route) -> int:
        """Count the examples of a route; the server's are not known."""
        return len(route.examples)

    def add_feedback(self, decision: Mapping[str, Any], feedback: str, text: str) -> str | None:  # noqa: ARG002 (the protocol)
        """Refuse: the history that feedback belongs to is on the server.

        Raises:
            OmniRouterError: always.
        """
        raise OmniRouterError("the history is on the server, which takes no feedback from this page")


async def _router_replied(client: "LangGraphClient", thread: str) -> RouterReplied:
    """Return what the router replied: it is not an output of the graph, so a server does not stream it."""
    state: Any = (await client.threads.get_state(thread))["values"]
    return RouterReplied(state.get("reply"), state.get("candidates") or {})


def _unreachable(url: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the LangGraph server at {url} refused the run: HTTP {error.response.status_code}"
    return (
        f"the LangGraph server at {url} does not answer ({type(error).__name__}): start it with make serve, or open "
        "the page without --server"
    )
