"""Counts of what the users of /v1 ask and spend. Their names come from a file of the operator's, so they are few."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter


class UserMetrics:
    """Requests, tokens and costs by the name of a user."""

    def __init__(self, counter: Callable[..., Counter]) -> None:
        self._requests = counter("omni_user_requests", "Requests of a user, by the status.", "user", "status")
        self._tokens = counter("omni_user_tokens", "Tokens read and written for a user.", "user", "type")
        self._cost = counter("omni_user_cost_usd", "What a user has spent in US dollars, estimates included.", "user")

    def count(self, name: str, status: int) -> None:
        """Count a request."""
        self._requests.labels(name, str(status)).inc()

    def charge(self, name: str, dollars: float) -> None:
        """Count the cost of a run."""
        self._cost.labels(name).inc(dollars)

    def count_tokens(self, name: str, attempts: Iterable[Any]) -> None:
        """Count the tokens of the calls of a run."""
        for attempt in attempts:
            if usage := attempt["usage"]:
                self._tokens.labels(name, "input").inc(usage["input_tokens"])
                self._tokens.labels(name, "output").inc(usage["output_tokens"])
