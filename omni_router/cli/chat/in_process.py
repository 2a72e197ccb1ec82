"""The graph in this process, which loads while the first message is typed."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from omni_router.cli.chat.protocol import ChatAnswer, Explanation, Message
from omni_router.cli.console import status
from omni_router.cli.prompt import show
from omni_router.cli.transcript import View
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.errors import InvalidRequest
from omni_router.hints import COMMAND

if TYPE_CHECKING:  # LangGraph comes with these
    from langchain_core.messages import AnyMessage

    from omni_router.config.settings import Settings
    from omni_router.decisions.recent import RecentDecisions
    from omni_router.events import Compiled, Finished
    from omni_router.services import Services

logger = logging.getLogger("omni_router")

INTERRUPTED = 130


class _Opened(NamedTuple):
    """What takes long to import and to open."""

    services: "Services"
    decisions: "RecentDecisions"
    graph: "Compiled"


class InProcess:
    """Runs the graph; the whole conversation goes into each turn, and nothing else is kept."""

    def __init__(self, environment: Environment, settings: "Settings", token: str | None) -> None:
        self._environment, self._settings, self._token = environment, settings, token
        self._policy = RouteFile(environment.route_config, environment.limits())
        self._audience = replace(COMMAND, policy=str(environment.route_config))
        self._config: Any = {"configurable": {"thread_id": uuid4().hex}}
        self._loop = asyncio.new_event_loop()
        self._opened: Future[_Opened] = Future()
        threading.Thread(target=self._load, name="omni-router chat", daemon=True).start()

    def _load(self) -> None:
        try:
            opened = self._open()
        except BaseException as error:  # noqa: BLE001 (raised again where the graph is needed)
            self._opened.set_exception(error)
            return
        self._opened.set_result(opened)
        from omni_router.selection.warm_up import warm_up

        try:
            warm_up(opened.services)
        except Exception as error:  # noqa: BLE001 (the first turn says why)
            logger.debug("the router could not be warmed up: %s", type(error).__name__)

    def _open(self) -> _Opened:
        from omni_router import Services, build_graph
        from omni_router.decisions.recent import RecentDecisions

        services = Services.from_environment(self._environment, token=self._token)
        decisions = RecentDecisions(services.decision_log, with_text=True)  # it stays in this process
        services = replace(services, decision_log=decisions)
        return _Opened(services, decisions, build_graph(services, self._settings).compile())

    def wait(self) -> None:
        """Wait until the graph is open.

        Raises:
            OmniRouterError: it cannot be opened.
        """
        if not self._opened.done():
            status.begin("loading the router")
        self._opened.result()

    def answer(self, messages: Sequence[Message], view: View, **choices: Any) -> ChatAnswer:
        """Answer the last message.

        Raises:
            OmniRouterError: the request cannot be answered.
            KeyboardInterrupt: Ctrl-C ended the turn.
        """
        from omni_router.selection.overrides import decision_metadata

        settings = self._settings.model_copy(update=choices)
        finished = self._until_interrupted(self._follow(list(map(_as_langchain, messages)), view, settings))
        result = finished.result.for_audience(self._audience).as_json()
        if result["answer"] is None:
            return ChatAnswer(result, None)
        message: Message = {"role": "assistant", "content": result["answer"], "cost": result["cost"]}
        return ChatAnswer(result, {**message, "decision": decision_metadata(finished.state["decision"])})

    async def _follow(self, messages: "list[AnyMessage]", view: View, settings: "Settings") -> "Finished":
        from omni_router.events import Finished, astream

        graph = self._opened.result().graph
        finished = Finished({})
        async with aclosing(astream(graph, {"messages": messages}, self._config, context=settings)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    finished = event
                else:
                    show(event, view)
        return finished

    def _until_interrupted(self, turn: Any) -> Any:
        """Run a coroutine; Ctrl-C cancels it, and a second one ends the process."""
        task = self._loop.create_task(turn)
        with _on_interrupt(lambda: self._loop.call_soon_threadsafe(task.cancel)):
            try:
                return self._loop.run_until_complete(task)
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

    def close(self) -> None:
        """Close the loop of the turns."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def routes(self) -> Sequence[str]:
        """Return the names of the routes, which are read from the policy."""
        return [route.name for route in self._policy.routes()]

    def models(self, name: str) -> dict[str, Any]:
        """Return the models for a route."""
        from omni_router.selection.listings import ModelSources, list_models

        services: Any = self._opened.result().services
        sources = ModelSources(
            policy=services.policy,
            history=services.history,
            catalog=services.catalog,
            evidence=services.evidence,
            shadow=services.shadow_evidence,
            prefer=services.defaults.prefer,
        )
        return list_models(sources, name)

    def explain(self, decision: str) -> Explanation:
        """Return what is known of a decision."""
        return Explanation(self._entry(decision), self._opened.result().decisions.doubts_about(decision))

    def rate(self, decision: str, verdict: str, text: str) -> str:
        """Rate a decision."""
        from omni_router.decisions.feedback import rate

        return rate(self._entry(decision), verdict, self._opened.result().services, text=text or None).summary

    def _entry(self, decision: str) -> dict[str, Any]:
        """Return the entry of a decision.

        Raises:
            InvalidRequest: it was not logged.
        """
        for entry in self._opened.result().decisions.with_id(decision):
            return entry
        raise InvalidRequest(f"the decision {decision} was not logged")


class _on_interrupt:  # noqa: N801 (reads as a function)
    """Call a function at the first Ctrl-C, and end the process at the second."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel, self._count = cancel, 0

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, *_: object) -> None:
        self._count += 1
        if self._count > 1:
            os._exit(INTERRUPTED)
        self._cancel()


def _as_langchain(message: Message) -> "AnyMessage":
    """Return a message with the decision behind it, as the graph takes it."""
    from langchain_core.messages import AIMessage, HumanMessage

    if message["role"] == "user":
        return HumanMessage(message["content"])
    metadata = {name: message[name] for name in ("decision", "cost") if message.get(name) is not None}
    return AIMessage(message["content"], response_metadata=metadata)
