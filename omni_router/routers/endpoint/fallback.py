"""Another router answers while the endpoint cannot."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from omni_router.errors import ConfigurationError, EndpointFailed
from omni_router.routers.protocol import BaseRouter, RemoteRouter, Reply, RouteOption, Router, Turn, preparable

logger = logging.getLogger("omni_router")

# Seconds the circuit breaker stays open after a failure: long enough that not every message pays for an outage, short
# enough that a server that was only restarted is back soon. Doubled with every failure in a row.
_FIRST_BREAK, _LONGEST_BREAK = 5.0, 300.0
# Invalid replies in a row before the breaker opens: one prompt may confuse a small model, a third one means that it is
# the model.
_TOLERATED = 2
_OF_ONE_REQUEST = ("refused", "invalid_reply")  # faults that the next request need not have


class FallbackRouter(BaseRouter):
    """The endpoint where it answers, else `second`; an outage costs one wait, and one line in the log.

    A circuit breaker opens when the endpoint fails. While it is open the endpoint is left alone; after that one request
    finds out for all whether the endpoint answers again.
    """

    def __init__(self, first: RemoteRouter, second: Router, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.first = first
        self._second, self._clock = second, clock
        self._lock = threading.Lock()
        self._failures = 0  # failures in a row
        self._open_seconds = 0.0  # 0 while the breaker is closed
        self._open_until = 0.0
        self._used = False  # whether the endpoint has answered or failed before
        self._warned_of_invalid = False

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the endpoint, or without it.

        Raises:
            ConfigurationError: the very first request shows that the key or the model's name is wrong; or the routes
                alone fill the prompt.
        """
        if self._may_request():
            try:
                reply = self.first.reply(conversation, routes)
            except EndpointFailed as error:
                self._on_failure(error)
            else:
                self._on_answer()
                return reply
        return self._second.reply(conversation, routes)

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Prepare the second router while the breaker is open; else it may never be needed, and it takes memory."""
        if self._open_seconds:
            preparable(self._second).prepare(routes)

    def _may_request(self) -> bool:
        """Return whether the breaker is closed, or open for long enough that this request tries again for all."""
        with self._lock:
            if not self._open_seconds:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until = self._clock() + self._open_seconds
            return True

    def _on_answer(self) -> None:
        with self._lock:
            recovered = self._open_seconds > 0
            self._failures, self._open_seconds, self._used = 0, 0.0, True
        if recovered:
            logger.info("the router's %s answers again", self.first.title)

    def _on_failure(self, error: EndpointFailed) -> None:
        with self._lock:
            first_use, self._used = not self._used, True
            if error.fault == "setup" and first_use:  # nobody relies on it yet: an error is better than a detour
                raise ConfigurationError(_correction(self.first, error)) from error
            self._failures += 1
            was_open = self._open_seconds > 0
            self._open_seconds = self._break_after(error)
            self._open_until = self._clock() + self._open_seconds
            if self._open_seconds:
                is_news = not was_open
                next_request = f"in {self._open_seconds:g} s, later if it keeps failing"
            else:
                is_news = not self._warned_of_invalid
                self._warned_of_invalid = True
                next_request = "with the next request"
        level = logging.WARNING if is_news else logging.DEBUG
        message = "routing with semantic, because the %s failed: %s; it will be tried again %s"
        logger.log(level, message, self.first.title, error, next_request)

    def _break_after(self, error: EndpointFailed) -> float:
        """Return the seconds that the breaker opens for; 0 to leave it closed."""
        failures = self._failures
        if error.fault in _OF_ONE_REQUEST:
            failures -= _TOLERATED
        if failures <= 0:
            return 0.0
        return min(_FIRST_BREAK * 2.0 ** (min(failures, 10) - 1), _LONGEST_BREAK)


def _correction(first: RemoteRouter, error: EndpointFailed) -> str:
    return (
        f"The router's {first.title} cannot be used for the model {first.model}: {error}. Check "
        f"OMNI_ROUTER_API_KEY, --router-model (the name the server knows) and --router-url, or use --router semantic."
    )
