"""What each user of /v1 spends: the budget of a day is checked before a run, and charged after it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from omni_router.config.environment import Environment
from omni_router.config.settings import Settings
from omni_router.config.spending_budget import NEAR
from omni_router.costs import as_decimal, price_of
from omni_router.events import DecisionMade, Finished, RunEvent
from omni_router.history.spending import Ledger
from omni_router.server.graph_access import Compiled, services_of
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.users import User

if TYPE_CHECKING:
    from omni_router.telemetry.user_metrics import UserMetrics


class UserAccounts:
    """The ledgers of users with a budget, and the counts of all of them."""

    def __init__(self, open_ledger: Callable[[str], Ledger], metrics: "UserMetrics | None" = None) -> None:
        self._open_ledger, self._metrics = open_ledger, metrics
        self._ledgers: dict[str, Ledger] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_graph(cls, graph: Compiled) -> "UserAccounts":
        """Return accounts that are kept beside the history of a graph, and counted if metrics are on."""
        metrics: UserMetrics | None = None
        if Environment.read().metrics:
            from omni_router.telemetry.metrics import process_metrics

            metrics = process_metrics().users
        return cls(lambda name: services_of(graph).open_ledger(name), metrics)

    def of(self, user: User) -> "Account":
        """Return the account of a user, for one run."""
        ledger: Ledger | None = None
        if user.budget is not None:
            with self._lock:
                ledger = self._ledgers.get(user.name) or self._open_ledger(user.name)
                self._ledgers[user.name] = ledger
        return Account(user, ledger, self._metrics)

    def count(self, user: User, status: int) -> None:
        """Count a request by the status of its response."""
        if self._metrics:
            self._metrics.count(user.name, status)


class Account:
    """What a user may spend and spends in one run."""

    def __init__(self, user: User, ledger: Ledger | None, metrics: "UserMetrics | None") -> None:
        self._user, self._ledger, self._metrics = user, ledger, metrics
        self._run = uuid4().hex

    async def admit(self, settings: Settings) -> Settings:
        """Return the settings of the run: with little money left, cheap providers are preferred.

        Raises:
            ApiError: the budget of the day is spent.
        """
        budget = self._user.budget
        if self._ledger is None or budget is None:
            return settings
        spent = await asyncio.to_thread(self._ledger.spent)
        if spent >= budget:
            raise ApiError(
                f"The user {self._user.name} has spent ${as_decimal(spent)} of ${as_decimal(budget)} today; the next "
                "day begins at midnight UTC.",
                status=402,
                type="insufficient_quota",
                code="insufficient_quota",
            )
        if spent >= NEAR * budget:
            return settings.model_copy(update={"prefer": "cheapest"})
        return settings

    async def charge(self, run: AsyncGenerator[RunEvent, None]) -> AsyncGenerator[RunEvent, None]:
        """Pass on the events of the run, and charge it; one that is cancelled is charged by its estimate."""
        decision: Mapping[str, Any] | None = None
        is_charged = False
        try:
            async with aclosing(run):
                async for event in run:
                    if isinstance(event, DecisionMade):
                        decision = event.decision
                    elif isinstance(event, Finished):
                        is_charged = True
                        await asyncio.to_thread(self._charge, event.state.get("attempts") or [])
                    yield event
        finally:
            if decision and not is_charged:
                # Nothing can be awaited where a run is cancelled, and a database may take its time.
                asyncio.get_running_loop().run_in_executor(None, self._charge_estimate, decision)

    def _charge(self, attempts: Sequence[Any]) -> None:
        self._add(sum(map(price_of, attempts)))
        if self._metrics:
            self._metrics.count_tokens(self._user.name, attempts)

    def _charge_estimate(self, decision: Mapping[str, Any]) -> None:
        self._add(decision.get("estimated_cost") or 0.0)

    def _add(self, dollars: float) -> None:
        if self._ledger and dollars:
            self._ledger.add(dollars, self._run)
        if self._metrics:
            self._metrics.charge(self._user.name, dollars)
