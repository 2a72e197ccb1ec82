"""Store A2A tasks in the store of the server that hosts the graph, so that every worker has them.

A task is 18 KB, or megabytes with an image, and most stores never delete anything. So each owner's tasks are bounded
here; an index of small items lists them without reading the tasks. A second index, by the day on which tasks expire, is
for owners who do not return: each task that ends deletes some expired ones of any owner.
"""

import time
from collections.abc import Callable, Iterable, Iterator
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
from langgraph.store.base import BaseStore, Item, NamespacePath
from langgraph.store.memory import InMemoryStore

PAGE_SIZE = 50
MAX_TASKS = 1000  # tasks of one owner
SECOND = 10**9  # nanoseconds
DAY = 24 * 3600  # seconds
SWEPT = 20  # expired tasks that are deleted with each new one: more than one, so that none remain in the end
SWEEP = ("omni_router", "a2a_sweep")  # the item with the day whose expired tasks are deleted next


@dataclass(frozen=True)
class Retention:
    """The limits on the stored tasks of each owner; the oldest are deleted first."""

    tasks: int = MAX_TASKS
    size: int = 256 * 2**20  # bytes, of all tasks of an owner
    seconds: float = 7 * 24 * 3600.0


class HostTasks(TaskStore):
    """Tasks in the store of the LangGraph server, or in memory where there is none."""

    def __init__(
        self,
        retention: Retention = Retention(),
        clock: Callable[[], float] = time.time,
        *,
        fallback: BaseStore | None = None,
    ) -> None:
        """Create the store of tasks; `fallback` holds them where no server has a store."""
        self._retention, self._clock = retention, clock
        self._fallback = InMemoryStore() if fallback is None else fallback

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Store a task in place of its former state; the owner's oldest may be deleted for a new one."""
        store, owner = self._store(), _owner_key(context)
        lifetime: dict[str, Any] = {}
        if store.supports_ttl:
            lifetime["ttl"] = self._retention.seconds / 60
        value = {"context_id": task.context_id, "task": MessageToDict(task)}
        await store.aput(_place(owner), task.id, value, index=False, **lifetime)
        if task.status.state == TaskState.TASK_STATE_WORKING:
            return  # each update of an answer is saved; the index changes only when the task begins and ends
        expires = int((self._clock() + self._retention.seconds) // DAY)
        note = {"at": _time_of(task), "size": task.ByteSize(), "expires": expires}
        await store.aput(_notes(owner), task.id, note, index=False, **lifetime)
        await store.aput(_expiring(expires), task.id, {"owner": owner}, index=False)
        await self._forget_oldest(store, owner)
        await self._forget_expired(store)

    async def _forget_oldest(self, store: BaseStore, owner: str) -> None:
        notes = await store.asearch(_notes(owner), limit=2 * self._retention.tasks)
        newest_first = sorted(notes, key=lambda note: int(note.value["at"]), reverse=True)
        size = 0
        for number, note in enumerate(newest_first):
            size += note.value["size"]
            too_many = number >= self._retention.tasks
            too_large = number > 0 and size > self._retention.size
            if too_many or too_large or note.value["at"] < self._oldest_kept():
                await _delete(store, owner, note.key)

    async def _forget_expired(self, store: BaseStore) -> None:
        """Delete some of the tasks, of any owner, that expired on the earliest day with tasks left."""
        today = int(self._clock() // DAY)
        swept = await store.aget(SWEEP, "day")
        if swept is None:
            await store.aput(SWEEP, "day", {"day": today}, index=False)
            return
        day = int(swept.value["day"])
        if day >= today:
            return
        expired = await store.asearch(_expiring(day), limit=SWEPT)
        for entry in expired:
            owner = entry.value["owner"]
            note = await store.aget(_notes(owner), entry.key)
            if note is None or note.value["at"] < self._oldest_kept():  # or it has continued, and expires later
                await _delete(store, owner, entry.key)
            await store.adelete(_expiring(day), entry.key)
        if not expired:
            await store.aput(SWEEP, "day", {"day": day + 1}, index=False)

    def _oldest_kept(self) -> int:
        return int((self._clock() - self._retention.seconds) * SECOND)

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Return a task of the user, or None; a task of another user is unknown."""
        item = await self._store().aget(_place(_owner_key(context)), task_id)
        if item is None:
            return None
        return _parsed(item.value["task"])

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """Return the tasks of the user, newest first."""
        if params.page_token and not params.page_token.isdecimal():
            raise InvalidParamsError(f"there is no page {params.page_token!r}")
        filters: dict[str, Any] = {}
        if params.context_id:
            filters["context_id"] = params.context_id
        items = await self._store().asearch(_place(_owner_key(context)), filter=filters or None, limit=MAX_TASKS)
        tasks = sorted(_matching(params, items), key=_time_of_json, reverse=True)
        start, size = int(params.page_token or 0), params.page_size or PAGE_SIZE
        next_page = ""
        if start + size < len(tasks):
            next_page = str(start + size)
        return ListTasksResponse(
            tasks=map(_parsed, tasks[start : start + size]),
            total_size=len(tasks),
            page_size=size,
            next_page_token=next_page,
        )

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Delete a task."""
        await _delete(self._store(), _owner_key(context), task_id)

    def _store(self) -> BaseStore:
        with suppress(RuntimeError, KeyError):  # there is none outside of a server
            if store := get_store():
                return store
        return self._fallback


def owner_of(context: ServerCallContext) -> str:
    """Return the identity of the user; empty where the server has no users."""
    return str(context.state.get("identity") or "")


async def _delete(store: BaseStore, owner: str, task_id: str) -> None:
    note = await store.aget(_notes(owner), task_id)
    if note and "expires" in note.value:
        await store.adelete(_expiring(note.value["expires"]), task_id)
    await store.adelete(_place(owner), task_id)
    await store.adelete(_notes(owner), task_id)


def _place(owner: str) -> NamespacePath:
    return ("omni_router", "a2a", owner)


def _notes(owner: str) -> NamespacePath:
    return ("omni_router", "a2a_notes", owner)  # kept beside the tasks, not below: these are searched by prefix


def _expiring(day: int) -> NamespacePath:
    return ("omni_router", "a2a_expiring", str(day))


def _owner_key(context: ServerCallContext) -> str:
    owner = owner_of(context)  # hashed: a namespace may not hold dots, and an email address does
    if not owner:
        return "everybody"
    return sha256(owner.encode()).hexdigest()[:32]


def _matching(params: ListTasksRequest, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
    """Yield matching tasks as JSON: parsing a thousand tasks would take a second, and a page has fifty."""
    after = 0
    if params.HasField("status_timestamp_after"):
        after = params.status_timestamp_after.ToNanoseconds()
    state: str | None = None
    if params.status:
        state = TaskState.Name(params.status)
    for item in items:
        task: dict[str, Any] = item.value["task"]
        if state in (None, task["status"].get("state")) and _time_of_json(task) >= after:
            yield task


def _parsed(task: dict[str, Any]) -> Task:
    message: Task = ParseDict(task, Task())
    return message


def _time_of_json(task: dict[str, Any]) -> int:
    timestamp = Timestamp()
    timestamp.FromJsonString(task["status"].get("timestamp", "1970-01-01T00:00:00Z"))
    return int(timestamp.ToNanoseconds())


def _time_of(task: Task) -> int:
    return int(task.status.timestamp.ToNanoseconds())
