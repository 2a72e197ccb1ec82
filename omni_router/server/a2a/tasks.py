"""Where A2A tasks are kept: the store of the server that hosts the graph, so that every worker knows them.

A task is 18 KB, or megabytes with a picture, and most stores never let go of anything. So each owner's tasks are
bounded here; an index of small items beside them says what there is, without reading the tasks. A second index, by the
day on which tasks expire, is for owners who do not come back: whoever has a task ends some expired ones of anybody.
"""

import time
from collections.abc import Callable, Iterator
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
DAY = 24 * 3600  # seconds
SWEPT = 20  # expired tasks that go with each new one, at most: more than one, so that none are left in the end
SWEEP = ("omni_router", "a2a_sweep")  # where the day is noted whose expired tasks go next


@dataclass(frozen=True)
class Kept:
    """How much is kept of each owner's tasks; the oldest go first."""

    tasks: int = LISTED
    size: int = 256 * 2**20  # bytes, of all of them
    seconds: float = 7 * 24 * 3600.0


class HostTasks(TaskStore):
    """Tasks in the store of the LangGraph server; where there is none, in memory."""

    def __init__(self, kept: Kept = Kept(), clock: Callable[[], float] = time.time) -> None:
        self._kept, self._clock = kept, clock
        self._memory = InMemoryStore()

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep a task, in place of what was known of it; a new one may push out the owner's oldest."""
        store, owner = self._store(), _owner_key(context)
        lifetime: dict[str, Any] = {"ttl": self._kept.seconds / 60} if store.supports_ttl else {}
        value = {"context_id": task.context_id, "task": MessageToDict(task)}
        await store.aput(_place(owner), task.id, value, index=False, **lifetime)
        if task.status.state == TaskState.TASK_STATE_WORKING:
            return  # each piece of an answer is saved: it is noted when it begins, and when it has ended
        expires = int((self._clock() + self._kept.seconds) // DAY)
        note = {"at": _age(task), "size": task.ByteSize(), "expires": expires}
        await store.aput(_notes(owner), task.id, note, index=False, **lifetime)
        await store.aput(_expiring(expires), task.id, {"owner": owner}, index=False)
        await self._forget_oldest(store, owner)
        await self._forget_expired(store)

    async def _forget_oldest(self, store: BaseStore, owner: str) -> None:
        notes = await store.asearch(_notes(owner), limit=2 * self._kept.tasks)
        newest_first = sorted(notes, key=lambda note: int(note.value["at"]), reverse=True)
        size = 0
        for number, note in enumerate(newest_first):
            size += note.value["size"]
            too_many = number >= self._kept.tasks or (size > self._kept.size and number > 0)
            if too_many or note.value["at"] < self._oldest_kept():
                await _delete(store, owner, note.key)

    async def _forget_expired(self, store: BaseStore) -> None:
        """Delete some of the tasks, of whomever, that expired on the earliest day that has any left."""
        today = int(self._clock() // DAY)
        swept = await store.aget(SWEEP, "day")
        day = int(swept.value["day"]) if swept else today
        expired = await store.asearch(_expiring(day), limit=SWEPT) if day < today else []
        for entry in expired:
            owner = entry.value["owner"]
            note = await store.aget(_notes(owner), entry.key)
            if note is None or note.value["at"] < self._oldest_kept():  # else it went on since, and expires later
                await _delete(store, owner, entry.key)
            await store.adelete(_expiring(day), entry.key)
        if not swept or (day < today and not expired):
            await store.aput(SWEEP, "day", {"day": min(day + 1, today)}, index=False)

    def _oldest_kept(self) -> int:
        return int((self._clock() - self._kept.seconds) * SECOND)

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Give a task of whoever asks; another's is as unknown as none."""
        item = await self._store().aget(_place(_owner_key(context)), task_id)
        return ParseDict(item.value["task"], Task()) if item else None

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """List tasks, the newest first."""
        if params.page_token and not params.page_token.isdecimal():
            raise InvalidParamsError(f"there is no page {params.page_token!r}")
        wanted = {"context_id": params.context_id} if params.context_id else None
        found = await self._store().asearch(_place(_owner_key(context)), filter=wanted, limit=LISTED)
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
        await _delete(self._store(), _owner_key(context), task_id)

    def _store(self) -> BaseStore:
        with suppress(RuntimeError, KeyError):  # outside of a server there is none
            if found := get_store():
                return found
        return self._memory


def owner_of(context: ServerCallContext) -> str:
    """Name who asks; nobody where the server knows no users."""
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
    return ("omni_router", "a2a_notes", owner)  # not below the tasks: these are searched by prefix


def _expiring(day: int) -> NamespacePath:
    return ("omni_router", "a2a_expiring", str(day))


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
