"""What tests of several histories record, and where: a place that several processes share."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import psycopg
from langgraph.store.memory import InMemoryStore

from omni_router.history import UsageRecord
from omni_router.history.cooldowns import write_time
from omni_router.history.postgresql import PostgresHistory
from omni_router.history.shared import SharedHistory
from omni_router.history.store import StoreHistory
from tests.support.clock import Clock

NOW = datetime(2026, 6, 15, 12, tzinfo=timezone.utc)


def use(
    model: str = "acme/m1", outcome: Any = None, route: str = "chat", at: datetime = NOW, **more: Any
) -> UsageRecord:
    """Make a use of a model that took a second."""
    return UsageRecord(route, model, "why", write_time(at), outcome, **{"seconds": 1.0, **more})


class SharedPlace:
    """A LangGraph store, or a database, in which several processes keep one history."""

    def __init__(self, address: str | None = None) -> None:
        self.address, self.store = address, InMemoryStore()
        self._histories: list[PostgresHistory] = []

    def history(self, clock: Callable[[], datetime] | None = None) -> SharedHistory:
        """Open the history, as a process does that just started."""
        clock = clock or Clock(NOW)
        if self.address is None:
            return StoreHistory(lambda: self.store, now=clock)
        history = PostgresHistory(self.address, clock)
        self._histories.append(history)
        return history

    def records(self, route: str = "chat", clock: Callable[[], datetime] | None = None) -> dict[str, Any]:
        """Return the records by model that such a process sees."""
        history = self.history(clock)
        records = {record["id"]: record for record in history.models(route)}
        if isinstance(history, PostgresHistory):
            history.close()
        return records

    def close(self) -> None:
        """Close the connections."""
        for history in self._histories:
            history.close()


def rows(address: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows that a statement finds in a database."""
    with psycopg.connect(address) as connection:
        return connection.execute(statement.encode()).fetchall()


def empty_database(address: str) -> None:
    """Drop all tables."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
