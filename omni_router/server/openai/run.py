"""A run of the graph for a request, which ends when its client disconnects."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage
from starlette.requests import ClientDisconnect, Request

from omni_router.config.settings import Settings
from omni_router.events import DecisionMade, Finished, RunEvent, Token, astream
from omni_router.server.graph_access import Compiled, config_for, identity_of, settings_with
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.user_accounts import Account, UserAccounts
from omni_router.server.openai.users import User
from omni_router.tasks import task_of


@dataclass(frozen=True)
class Api:
    """What the handlers share."""

    graph: Compiled
    memory: DecisionMemory
    accounts: UserAccounts
    started: int = field(default_factory=lambda: int(time.time()))  # seconds since 1970

    def settings(self, **overrides: Any) -> Settings:
        """Return the settings of a run: those of the request on top of those of the graph."""
        return Settings(**{**settings_with(self.graph).model_dump(), **overrides})

    async def events(
        self, request: Request, messages: Sequence[AnyMessage], settings: Settings, *, tokens: bool = False
    ) -> AsyncGenerator[RunEvent, None]:
        """Run the graph as the user of the request, and yield decisions, tokens of the answer, and the end.

        Raises:
            ApiError: the user's budget is spent.
        """
        user = request.scope.get("user")
        account: Account | None = None
        if isinstance(user, User):
            account = self.accounts.of(user)
            settings = await account.admit(settings)
        run = astream(self.graph, {"messages": list(messages)}, config_for(identity_of(user)), context=settings,
                      tokens=tokens)  # fmt: skip
        events = run if account is None else account.charge(run)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, DecisionMade | Finished) or _is_answer(event):
                    yield event

    async def result(self, request: Request, messages: Sequence[AnyMessage], settings: Settings) -> dict[str, Any]:
        """Run the graph, and return its final state.

        Raises:
            ClientDisconnect: the client disconnected, and the run was cancelled.
        """
        run = RunStream(request, self.events(request, messages, settings))
        try:
            while not isinstance(event := await run.next(), Finished):
                pass
            return event.state
        finally:
            await run.close()


class RunStream:
    """The events of a run that is a task of its own, and is cancelled when the client disconnects."""

    def __init__(self, request: Request, events: AsyncGenerator[RunEvent, None]) -> None:
        self.request = request
        self._queue: asyncio.Queue[RunEvent | Exception] = asyncio.Queue()
        self._run = asyncio.create_task(self._fill(events))
        self._watch = asyncio.create_task(self._cancel_on_disconnect(request))

    async def next(self, seconds: float | None = None) -> RunEvent | None:
        """Wait for the next event; return None when there is none within that time.

        Raises:
            ClientDisconnect: the client disconnected.
            Exception: the run failed.
        """
        try:
            event = await asyncio.wait_for(self._queue.get(), seconds)
        except asyncio.TimeoutError:
            return None
        if isinstance(event, Exception):
            raise event
        return event

    async def close(self) -> None:
        """Cancel the run if it has not ended."""
        for task in (self._run, self._watch):
            task.cancel()
        await asyncio.gather(self._run, self._watch, return_exceptions=True)

    async def _fill(self, events: AsyncGenerator[RunEvent, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._queue.put_nowait(event)
        except asyncio.CancelledError:
            self._queue.put_nowait(ClientDisconnect())
            raise
        except Exception as error:  # noqa: BLE001 (raised by `next`)
            self._queue.put_nowait(error)

    async def _cancel_on_disconnect(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._run.cancel()


def _is_answer(event: object) -> bool:
    """Return whether it is a part of the answer; the message beside a file names its path, which is not for clients."""
    task = task_of(event.node) if isinstance(event, Token) else None
    return task is not None and task.output is None
