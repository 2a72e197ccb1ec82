"""Another router answers while the endpoint cannot."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from omni_router.errors import ConfigurationError
from omni_router.routers.endpoint.client import EndpointFailed
from omni_router.routers.endpoint.router import EndpointRouter
from omni_router.routers.protocol import Reply, RouteOption, Router, Turn

logger = logging.getLogger("omni_router")

# Seconds the endpoint is left alone after a failure: long enough that an outage is not paid with every message, short
# enough that a server that was only restarted is back soon. Doubled with every failure in a row.
_FIRST_REST, _LONGEST_REST = 5.0, 300.0
_ODD_ONES = 2  # in a row, before a rest: one prompt may confuse a small model, a third one means that it is the model
_OF_A_REQUEST = ("refused", "nonsense")  # faults that the next request need not have


class FallbackRouter:
    """The endpoint where it answers, else `second`; an outage costs one wait, and one line in the log."""

    def __init__(self, first: EndpointRouter, second: Router, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._second, self._clock = first, second, clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._rest = 0.0  # seconds; 0 while the endpoint is asked
        self._rests_until = 0.0
        self._used = False  # whether the endpoint has ever been heard or missed
        self._told_odd = False

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the endpoint, or without it.

        Raises:
            ConfigurationError: the very first request shows that the key or the model's name is wrong; or the routes
                alone fill the prompt.
        """
        if self._may_ask():
            try:
                reply = self._first.reply(conversation, routes)
            except EndpointFailed as failed:
                self._failed(failed)
            else:
                self._answered()
                return reply
        return self._second.reply(conversation, routes)

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Prepare the second router where it answers; else it may never be needed, and loading it takes memory."""
        if self._rest and (prepare := getattr(self._second, "prepare", None)):
            prepare(routes)

    def _may_ask(self) -> bool:
        """Tell whether the endpoint's rest is over; of many threads one finds out for all."""
        with self._lock:
            if not self._rest:
                return True
            if self._clock() < self._rests_until:
                return False
            self._rests_until = self._clock() + self._rest
            return True

    def _answered(self) -> None:
        with self._lock:
            recovered = self._rest > 0
            self._failures, self._rest, self._used = 0, 0.0, True
        if recovered:
            logger.info("the router's endpoint %s answers again", self._first.origin)

    def _failed(self, failed: EndpointFailed) -> None:
        with self._lock:
            first_use, self._used = not self._used, True
            if failed.fault == "setup" and first_use:  # nobody relies on it yet: better told than worked around
                raise ConfigurationError(_correction(self._first, failed)) from failed
            self._failures += 1
            before, self._rest = self._rest, self._rest_after(failed)
            self._rests_until = self._clock() + self._rest
            news = not before if self._rest else not self._told_odd
            self._told_odd |= not self._rest
            asked_again = f"in {self._rest:g} s, later if it goes on" if self._rest else "with the next request"
        logger.log(
            logging.WARNING if news else logging.DEBUG,
            "routing with semantic, as the endpoint %s failed: %s; it is asked again %s",
            *(self._first.origin, failed, asked_again),
        )

    def _rest_after(self, failed: EndpointFailed) -> float:
        counted = self._failures - (_ODD_ONES if failed.fault in _OF_A_REQUEST else 0)
        return min(_FIRST_REST * 2.0 ** (min(counted, 10) - 1), _LONGEST_REST) if counted > 0 else 0.0


def _correction(endpoint: EndpointRouter, failed: EndpointFailed) -> str:
    return (
        f"The router's endpoint {endpoint.origin} cannot be used for the model {endpoint.model}: {failed}. Check "
        f"OMNI_ROUTER_API_KEY, --router-model (the name the server knows) and --router-url, or use --router semantic."
    )
