"""The budget of a thread and of a day: what is spent of it, when the choice turns cheap, and when calls stop."""

from collections.abc import Iterator
from typing import NamedTuple

from omni_router.config.settings import Settings
from omni_router.config.spending_budget import NEAR
from omni_router.costs import as_decimal, rounded, spent_before
from omni_router.errors import BUDGET, SpecialistError
from omni_router.services import Services
from omni_router.state import State


class _Limit(NamedTuple):
    """A budget and what is spent of it, in US dollars."""

    budget: float
    spent: float
    explanation: str  # may use {spent} and {budget}

    @property
    def is_near(self) -> bool:
        """Whether little is left."""
        return self.spent >= NEAR * self.budget


def within_budget(settings: Settings, state: State, services: Services) -> Settings:
    """Return the settings of a run: with little money left, cheap providers are preferred, whatever it says."""
    if any(limit.is_near for limit in _limits(state, services)):
        return settings.model_copy(update={"prefer": "cheapest"})
    return settings


def check(model: str, state: State, services: Services) -> None:
    """Raise if a budget is spent. A call that has begun is paid, so that it may be exceeded by the calls under way.

    Raises:
        SpecialistError: of the kind `payment`; it names the budget and what is spent.
    """
    for limit in _limits(state, services):
        if limit.spent >= limit.budget:
            spent, budget = as_decimal(limit.spent), as_decimal(limit.budget)
            detail = limit.explanation.format(spent=spent, budget=budget)
            raise SpecialistError("payment", model=model, cause=BUDGET, detail=detail)


def charge(state: State, services: Services, dollars: float) -> float:
    """Add what this turn's newest call costs to the day's ledger, and return what the thread has spent with it."""
    if dollars and services.ledger:
        services.ledger.add(dollars, f"{state['turn']} {len(state['attempts'])}")
    return rounded(spent_before(state) + dollars)


def charge_cancelled(state: State, services: Services) -> None:
    """Add the estimate of a call that its caller has cancelled to the day's ledger; no count of tokens comes."""
    decision = state["decision"]
    if decision and decision["estimated_cost"] and services.ledger:
        services.ledger.add(decision["estimated_cost"], f"{state['turn']} {len(state['attempts'])} cancelled")


def _limits(state: State, services: Services) -> Iterator[_Limit]:
    budget = services.budget
    if budget.thread is not None:
        explanation = "this thread has spent ${spent} of its ${budget}; a new thread starts at zero"
        yield _Limit(budget.thread, spent_before(state), explanation)
    if budget.day is not None and services.ledger is not None:
        explanation = "${spent} of ${budget} are spent today; the next day begins at midnight UTC"
        yield _Limit(budget.day, services.ledger.spent(), explanation)
