"""What calls cost, in US dollars: the tokens that a provider has counted, at the prices of that provider."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:  # LangGraph comes with it
    from omni_router.state import Attempt, State, TokenUsage

# Prices are for a million tokens and have up to six decimals, so that every cost is a whole number of these parts of a
# dollar. Sums that are rounded to them are exact up to several thousand dollars, in whatever order they are added.
DECIMALS = 12
PER_PRICE = 1_000_000  # a price is for so many tokens
_ABSURD = 1e9  # US dollars; whatever is more, or infinite, is a mistake


def cost_at(usage: "TokenUsage", input_price: float, output_price: float) -> float:
    """Return the cost of tokens at prices in US dollars for a million of them."""
    return rounded((usage["input_tokens"] * input_price + usage["output_tokens"] * output_price) / PER_PRICE)


def rounded(dollars: float) -> float:
    """Return an amount or a sum without what floating-point numbers add to its last digits."""
    return round(dollars, DECIMALS)


def is_amount(value: Any) -> TypeGuard[float]:
    """Return whether a value is an amount of US dollars that one can have spent."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _ABSURD


def total_cost(attempts: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the cost of all calls of a run; None if there is none, or if that of an answer is not known.

    Calls that failed before a provider counted a token have no cost, and do not make the sum unknown.
    """
    costs: list[float] = []
    for attempt in attempts:
        cost = attempt.get("cost")
        if cost is not None:
            costs.append(cost)
        elif brought_something(attempt):
            return None
    if not costs:
        return None
    return rounded(sum(costs))


def price_of(attempt: "Attempt") -> float:
    """Return what a call takes from a budget: its cost, else its estimated cost; 0 if neither is known."""
    if attempt["cost"] is not None:
        return attempt["cost"]
    return attempt["estimated_cost"] or 0.0


def brought_something(attempt: Mapping[str, Any]) -> bool:
    """Return whether an answer, a part of one, or a count of tokens came back, for which somebody pays."""
    return attempt["outcome"] == "answered" or bool(attempt.get("partial")) or attempt.get("usage") is not None


def spent_before(state: "State") -> float:
    """Return what a thread has cost so far: by its state, or, for callers who keep none, by its answers."""
    spent = state.get("spent")
    if spent is not None:
        return spent
    costs = [message.response_metadata.get("cost") for message in state.get("messages", [])]
    return rounded(sum(filter(is_amount, costs)))  # a client may have made them up


def as_decimal(dollars: float) -> str:
    """Return an amount as a decimal number with all its digits, and at least two decimals."""
    whole, _, decimals = f"{dollars:.{DECIMALS}f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def describe_cost(attempt: Mapping[str, Any]) -> str:
    """Return the tokens and the cost of a call in words; empty if nothing came back."""
    if not brought_something(attempt):
        return ""
    parts: list[str] = []
    if usage := attempt.get("usage"):
        parts.append(f"{usage['input_tokens']:,} + {usage['output_tokens']:,} tokens")
    cost, estimate = attempt.get("cost"), attempt.get("estimated_cost")
    if cost is not None:
        parts.append(f"${as_decimal(cost)}")
    elif estimate is not None:
        parts.append(f"about ${as_decimal(estimate)} (estimate)")
    else:
        parts.append("cost unknown")
    return ", ".join(parts)
