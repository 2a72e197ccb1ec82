"""Where A2A tasks are kept: the store of the server that hosts the graph, so that every worker knows them.

A task is 18 KB, or megabytes with a picture, and most stores never let go of anything. So each owner's tasks are
bounded here; an index of small items beside them says what there is, without reading the tasks.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.tasks import TaskStore
from a2a.types import ListTasksRequest, ListTasksResponse, Task, TaskState
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]
from langgraph.config import get_store
from langgraph.store.base import BaseStore, NamespacePath
from langgraph.store.memory import InMemoryStore

PAGE = 50
LISTED = 1000  # of an owner's tasks, at most
SECOND = 10**9  # nanoseconds


@dataclass(frozen=True)
class Kept:
    """How much is kept of each owner's tasks; the oldest go first."""

    tasks: int = LISTED
    size: int = 256 * 2**20  # bytes, of all of them
    seconds: float = 7 * 24 * 3600.0


class HostTasks(TaskStore):
    """Tasks in the store of the LangGraph server; where there is none, in memory."""

    def __init__(self, kept: Kept = Kept()) -> None:
        self._kept = kept
        self._memory = InMemoryStore()

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep a task, in place of what was known of it; a new one may push out the owner's oldest."""
        store = self._store()
        lifetime: dict[str, Any] = {"ttl": self._kept.seconds / 60} if store.supports_ttl else {}
        value = {"context_id": task.context_id, "task": MessageToDict(task)}
        await store.aput(_place(context), task.id, value, index=False, **lifetime)
        if task.status.state == TaskState.TASK_STATE_WORKING:
            return  # each piece of an answer is saved: it is noted when it begins, and when it has ended
        note = {"at": _age(task), "size": task.ByteSize()}
        await store.aput(_notes(context), task.id, note, index=False, **lifetime)
        await self._forget_oldest(store, context)

    async def _forget_oldest(self, store: BaseStore, context: ServerCallContext) -> None:
        notes = await store.asearch(_notes(context), limit=2 * self._kept.tasks)
        newest_first = sorted(notes, key=lambda note: int(note.value["at"]), reverse=True)
        oldest_kept = time.time_ns() - int(self._kept.seconds * SECOND)
        size = 0
        for number, note in enumerate(newest_first):
            size += note.value["size"]
            too_many = number >= self._kept.tasks or (size > self._kept.size and number > 0)
            if too_many or note.value["at"] < oldest_kept:
                await self.delete(note.key, context)

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
        tasks = sorted(_matching(params, (item.value["task"] for item in found)), key=_told_age, reverse=True)
        start, size = int(params.page_token or 0), params.page_size or PAGE
        return ListTasksResponse(
            tasks=[ParseDict(task, Task()) for task in tasks[start : start + size]],
            total_size=len(tasks),
            page_size=size,
            next_page_token=str(start + size) if start + size < len(tasks) else "",
        )

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget a task."""
        await self._store().adelete(_place(context), task_id)
        await self._store().adelete(_notes(context), task_id)

    def _store(self) -> BaseStore:
        with suppress(RuntimeError, KeyError):  # outside of a server there is none
            if found := get_store():
                return found
        return self._memory


def owner_of(context: ServerCallContext) -> str:
    """Name who asks; nobody where the server knows no users."""
    return str(context.state.get("identity") or "")


def _place(context: ServerCallContext) -> NamespacePath:
    return ("omni_router", "a2a", _owner_key(context))


def _notes(context: ServerCallContext) -> NamespacePath:
    return ("omni_router", "a2a_notes", _owner_key(context))  # not below the tasks: these are searched by prefix


def _owner_key(context: ServerCallContext) -> str:
    owner = owner_of(context)  # hashed: a namespace may hold no dots, an address does
    return sha256(owner.encode()).hexdigest()[:32] if owner else "everybody"


def _matching(params: ListTasksRequest, tasks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Look at the few fields that are asked for: to parse a thousand tasks takes a second, and a page has fifty."""
    after = params.status_timestamp_after.ToNanoseconds() if params.HasField("status_timestamp_after") else 0
    state = TaskState.Name(params.status) if params.status else None
    for task in tasks:
        if state in (None, task["status"].get("state")) and _told_age(task) >= after:
            yield task


def _told_age(task: dict[str, Any]) -> int:
    moment = Timestamp()
    moment.FromJsonString(task["status"].get("timestamp", "1970-01-01T00:00:00Z"))
    return int(moment.ToNanoseconds())


def _age(task: Task) -> int:
    return int(task.status.timestamp.ToNanoseconds())
