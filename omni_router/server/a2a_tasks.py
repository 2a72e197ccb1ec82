"""Where A2A tasks are kept: the store of the server that hosts the graph, so that every worker knows them."""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.tasks import TaskStore
from a2a.types import ListTasksRequest, ListTasksResponse, Task
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]
from langgraph.config import get_store
from langgraph.store.base import BaseStore, NamespacePath
from langgraph.store.memory import InMemoryStore

KEPT = 7 * 24 * 60.0  # minutes, where the store lets go of old items at all
PAGE = 50
LISTED = 1000  # of an owner's tasks, at most


class HostTasks(TaskStore):
    """Tasks in the store of the LangGraph server; where there is none, in memory."""

    def __init__(self) -> None:
        self._memory = InMemoryStore()

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep a task, in place of what was known of it."""
        store = self._store()
        value = {"context_id": task.context_id, "task": MessageToDict(task)}
        lifetime: dict[str, Any] = {"ttl": KEPT} if store.supports_ttl else {}
        await store.aput(_place(context), task.id, value, index=False, **lifetime)

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Give a task of whoever asks; another's is as unknown as none."""
        item = await self._store().aget(_place(context), task_id)
        return ParseDict(item.value["task"], Task()) if item else None

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """List tasks, the newest first."""
        if params.page_token and not params.page_token.isdecimal():
            raise InvalidParamsError(f"there is no page {params.page_token!r}")
        wanted = {"context_id": params.context_id} if params.context_id else None
        found = await self._store().asearch(_place(context), filter=wanted, limit=LISTED)
        tasks = sorted(_matching(params, (item.value["task"] for item in found)), key=_age, reverse=True)
        start, size = int(params.page_token or 0), params.page_size or PAGE
        return ListTasksResponse(
            tasks=tasks[start : start + size],
            total_size=len(tasks),
            page_size=size,
            next_page_token=str(start + size) if start + size < len(tasks) else "",
        )

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget a task."""
        await self._store().adelete(_place(context), task_id)

    def _store(self) -> BaseStore:
        with suppress(RuntimeError, KeyError):  # outside of a server there is none
            if found := get_store():
                return found
        return self._memory


def owner_of(context: ServerCallContext) -> str:
    """Name who asks; nobody where the server knows no users."""
    return str(context.state.get("identity") or "")


def _place(context: ServerCallContext) -> NamespacePath:
    owner = owner_of(context)  # hashed: a namespace may hold no dots, an address does
    return ("omni_router", "a2a", sha256(owner.encode()).hexdigest()[:32] if owner else "everybody")


def _matching(params: ListTasksRequest, tasks: Iterator[dict[str, Any]]) -> Iterator[Task]:
    after = params.status_timestamp_after.ToNanoseconds() if params.HasField("status_timestamp_after") else 0
    for each in tasks:
        task: Task = ParseDict(each, Task())
        if params.status in (0, task.status.state) and _age(task) >= after:
            yield task


def _age(task: Task) -> int:
    return int(task.status.timestamp.ToNanoseconds())
