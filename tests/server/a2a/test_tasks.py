"""Where A2A tasks are stored when no server's store is at hand, and how they are listed."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from a2a.server.context import ServerCallContext
from a2a.types import Artifact, ListTasksRequest, Part, Task, TaskState, TaskStatus
from a2a.utils.errors import InvalidParamsError
from langgraph.store.memory import InMemoryStore

from omni_router.server.a2a.tasks import DAY, SWEPT, HostTasks, Retention

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own

ALICE, BOB = (ServerCallContext(state={"identity": name}) for name in ("alice@example.com", "bob@example.com"))
BEGUN = datetime.now(timezone.utc) - timedelta(hours=1)
DONE, FAILED = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_FAILED


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def tasks() -> HostTasks:
    """Five tasks of Alice's, one a second; the odd ones failed and belong to another conversation."""
    tasks = HostTasks()
    for n in range(5):
        run(tasks.save(a_task(n), ALICE))
    return tasks


def a_task(n: int, *, state: TaskState = DONE, text: str = "") -> Task:
    """Make a task of the second n; the odd ones failed and belong to another conversation."""
    status = TaskStatus(state=FAILED if n % 2 else state, timestamp=second(n))
    artifacts = [Artifact(artifact_id="answer", parts=[Part(text=text)])] if text else []
    return Task(id=f"t{n}", context_id="odd" if n % 2 else "even", status=status, artifacts=artifacts)


def second(n: int) -> datetime:
    return BEGUN + timedelta(seconds=n)


def listed(tasks: HostTasks, context: ServerCallContext = ALICE, **filters: Any) -> list[str]:
    return [task.id for task in run(tasks.list(ListTasksRequest(**filters), context)).tasks]


def test_they_are_listed_newest_first_and_page_by_page(tasks: HostTasks) -> None:
    first = run(tasks.list(ListTasksRequest(page_size=2), ALICE))
    assert ([task.id for task in first.tasks], first.total_size) == (["t4", "t3"], 5)
    last = run(tasks.list(ListTasksRequest(page_size=3, page_token=first.next_page_token), ALICE))
    assert ([task.id for task in last.tasks], last.next_page_token) == (["t2", "t1", "t0"], "")


def test_they_are_found_by_conversation_state_and_time(tasks: HostTasks) -> None:
    assert listed(tasks, context_id="odd") == ["t3", "t1"]
    assert listed(tasks, status=DONE) == ["t4", "t2", "t0"]
    assert listed(tasks, status_timestamp_after=second(3)) == ["t4", "t3"]


def test_nobody_sees_anothers(tasks: HostTasks) -> None:
    assert listed(tasks, BOB) == []
    assert run(tasks.get("t1", BOB)) is None
    run(tasks.delete("t1", BOB))
    assert run(tasks.get("t1", ALICE)).id == "t1"
    run(tasks.delete("t1", ALICE))
    assert run(tasks.get("t1", ALICE)) is None


def test_a_page_that_cannot_be_is_named(tasks: HostTasks) -> None:
    with pytest.raises(InvalidParamsError, match="no page 'x'"):
        listed(tasks, page_token="x")


def test_only_the_newest_of_each_owner_are_kept() -> None:
    tasks = HostTasks(Retention(tasks=3))
    run(tasks.save(a_task(0), BOB))
    for n in range(8):
        run(tasks.save(a_task(n), ALICE))
    assert listed(tasks) == ["t7", "t6", "t5"]
    assert run(tasks.get("t4", ALICE)) is None
    assert listed(tasks, BOB) == ["t0"], "nobody pushes out another's"


def test_large_ones_are_fewer_and_the_newest_always_stays() -> None:
    tasks = HostTasks(Retention(size=2500))
    for n in range(4):
        run(tasks.save(a_task(n, text="x" * 1000), ALICE))
    assert listed(tasks) == ["t3", "t2"]
    run(tasks.save(a_task(4, text="x" * 5000), ALICE))
    assert listed(tasks) == ["t4"]


def test_old_ones_go_when_a_new_one_ends() -> None:
    tasks = HostTasks(Retention(seconds=1800))
    run(tasks.save(a_task(0), ALICE))
    run(tasks.save(a_task(3600, state=TaskState.TASK_STATE_WORKING), ALICE))
    assert listed(tasks) == ["t3600"], "what is too old goes as soon as it is noted"
    run(tasks.save(a_task(3602), ALICE))
    assert listed(tasks) == ["t3602", "t3600"], "one that is worked on stays"


def test_a_task_that_began_and_never_ended_is_bounded_too() -> None:
    tasks = HostTasks(Retention(tasks=2))
    for n in range(0, 10, 2):
        run(tasks.save(a_task(n, state=TaskState.TASK_STATE_SUBMITTED), ALICE))
        run(tasks.save(a_task(n, state=TaskState.TASK_STATE_WORKING), ALICE))
    run(tasks.save(a_task(10), ALICE))
    assert listed(tasks) == ["t10", "t8"]


# ---- tasks of owners who do not come back


class Clock:
    def __init__(self) -> None:
        self.now = BEGUN.timestamp()

    def __call__(self) -> float:
        return self.now


def alices_keys(store: InMemoryStore) -> list[str]:
    """Return the keys of everything that is stored for Alice, whatever it is."""
    items = store.search(("omni_router",), limit=1000)
    return [item.key for item in items if item.key.startswith("alice")]


def alices(n: int) -> Task:
    task = a_task(n)
    task.id = f"alice-{n}"
    return task


def test_tasks_of_an_owner_who_never_returns_go_with_those_of_others() -> None:
    tasks = HostTasks(Retention(seconds=7 * DAY), clock := Clock(), fallback=(store := InMemoryStore()))
    for n in range(2 * SWEPT + 5):
        run(tasks.save(alices(n), ALICE))
    clock.now += 7 * DAY
    run(tasks.save(a_task(7 * DAY), BOB))
    assert len(listed(tasks)) == 2 * SWEPT + 5, "a day has to end"
    clock.now += 2 * DAY
    for n in range(6):  # one day without tasks is passed with each
        run(tasks.save(a_task(9 * DAY + n), BOB))
    assert len(listed(tasks)) == 2 * SWEPT + 5, "the sweep has come to the day"
    counts = []
    for n in range(6, 10):
        run(tasks.save(a_task(9 * DAY + n), BOB))
        counts.append(len(listed(tasks)))
    assert counts == [SWEPT + 5, 5, 0, 0], "a write has bounded work"
    assert alices_keys(store) == []
    assert len(listed(tasks, BOB)) == 11


def test_a_task_that_went_on_expires_later() -> None:
    tasks = HostTasks(Retention(seconds=DAY), clock := Clock(), fallback=(store := InMemoryStore()))
    run(tasks.save(alices(0), ALICE))
    clock.now += DAY
    later = alices(DAY)
    later.id = "alice-0"
    run(tasks.save(later, ALICE))
    clock.now = (BEGUN.timestamp() // DAY + 2) * DAY  # the day on which its first entry is swept
    later_on = int(clock.now - BEGUN.timestamp())
    for n in range(4):
        run(tasks.save(a_task(later_on + n), BOB))
    assert listed(tasks) == ["alice-0"]
    clock.now += 2 * DAY
    for n in range(8):
        run(tasks.save(a_task(later_on + 2 * DAY + n), BOB))
    assert alices_keys(store) == []


def test_a_task_that_is_pushed_out_leaves_nothing() -> None:
    tasks = HostTasks(Retention(tasks=2), fallback=(store := InMemoryStore()))
    for n in range(5):
        run(tasks.save(alices(n), ALICE))
    assert Counter(alices_keys(store)) == {"alice-3": 3, "alice-4": 3}
