"""Where A2A tasks are kept when no server's store is at hand, and how they are listed."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timezone
from typing import Any

import pytest
from a2a.server.context import ServerCallContext
from a2a.types import ListTasksRequest, Task, TaskState, TaskStatus
from a2a.utils.errors import InvalidParamsError

from omni_router.server.a2a_tasks import HostTasks

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own

ALICE, BOB = (ServerCallContext(state={"identity": name}) for name in ("alice@example.com", "bob@example.com"))
DONE, FAILED = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_FAILED


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def tasks() -> HostTasks:
    """Five tasks of Alice's, one a second; the odd ones failed and belong to another conversation."""
    tasks = HostTasks()
    for n in range(5):
        status = TaskStatus(state=FAILED if n % 2 else DONE, timestamp=datetime.fromtimestamp(n + 1, timezone.utc))
        run(tasks.save(Task(id=f"t{n}", context_id="odd" if n % 2 else "even", status=status), ALICE))
    return tasks


def listed(tasks: HostTasks, context: ServerCallContext = ALICE, **wanted: Any) -> list[str]:
    return [task.id for task in run(tasks.list(ListTasksRequest(**wanted), context)).tasks]


def test_they_are_listed_newest_first_and_page_by_page(tasks: HostTasks) -> None:
    first = run(tasks.list(ListTasksRequest(page_size=2), ALICE))
    assert ([task.id for task in first.tasks], first.total_size) == (["t4", "t3"], 5)
    last = run(tasks.list(ListTasksRequest(page_size=3, page_token=first.next_page_token), ALICE))
    assert ([task.id for task in last.tasks], last.next_page_token) == (["t2", "t1", "t0"], "")


def test_they_are_found_by_conversation_state_and_time(tasks: HostTasks) -> None:
    assert listed(tasks, context_id="odd") == ["t3", "t1"]
    assert listed(tasks, status=DONE) == ["t4", "t2", "t0"]
    assert listed(tasks, status_timestamp_after=datetime.fromtimestamp(4, timezone.utc)) == ["t4", "t3"]


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
