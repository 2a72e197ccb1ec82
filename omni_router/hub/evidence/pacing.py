"""Requests for evidence: without a token, bounded, and no faster than the servers allow."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from omni_router.hub.answer_limits import MB, AnswerLimit
from omni_router.hub.errors import requested_wait
from omni_router.hub.session import TOO_MANY_REQUESTS, hub_session

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

BODY = AnswerLimit(4 * MB)  # a board of a thousand rows has half of one
TIMEOUT = 10.0  # seconds for a request; the Hub itself gets HUB_TIMEOUT
BETWEEN = 0.2  # seconds between two requests: nobody waits for them
RESERVE = 100  # requests that are left to the rest of the process, of the 500 in five minutes without an account
LONGEST_PAUSE = 300.0  # seconds: the server's window
UNNAMED_PAUSE = 60.0  # where the server sends 429 and no time
NOT_FOR_US = (401, 403, 404)  # gated, forbidden, gone
_LONGEST_INTEGER = 20  # digits: Python refuses to read some thousand of them, and no value has as many


class NotReadable(Exception):  # noqa: N818 (an answer, not a failure)
    """The server has this page for others, or for nobody."""


class EvidenceRequests:
    """Fetches JSON, and pauses where a server asks for it.

    Args:
        pause: waits so many seconds; called before the requests that have to wait.
        check: raises if the results are no longer wanted; called before and after each request.
    """

    def __init__(self, pause: Callable[[float], None], check: Callable[[], None]) -> None:
        self._pause, self._check = pause, check

    def get_json(self, url: str, params: dict[str, Any]) -> Any:
        """Return the JSON at an address.

        Raises:
            NotReadable: it is not for everybody, or there is none.
            httpx.HTTPError: there is no answer, or it is an error. A second 429 is one.
            ValueError: the answer is not JSON.
        """
        response = self._get(url, params)
        if response.status_code == TOO_MANY_REQUESTS:
            self._pause(min(requested_wait(response.headers) or UNNAMED_PAUSE, LONGEST_PAUSE))
            response = self._get(url, params)
        if response.status_code in NOT_FOR_US:
            raise NotReadable(f"status {response.status_code}")
        response.raise_for_status()
        body = _read_json(response.content)
        self._pause(_pause_after(response.headers))
        return body

    def _get(self, url: str, params: dict[str, Any]) -> "httpx.Response":
        from huggingface_hub import get_session

        self._check()
        with hub_session(None, TIMEOUT, BODY):
            response = get_session().get(url, params=params, timeout=TIMEOUT)
        self._check()
        return response


def _read_json(content: bytes) -> Any:
    """Parse JSON so that text or a number that cannot be read spoils its own row alone.

    Raises:
        ValueError: it is not JSON.
    """
    return json.loads(content.decode(errors="replace"), parse_int=_read_integer)


def _read_integer(digits: str) -> int | float:
    if len(digits) > _LONGEST_INTEGER:
        return math.inf
    return int(digits)


def _pause_after(headers: Any) -> float:
    """Return how long to pause after an answer: until the server's window ends, if little of it is left."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    with suppress(ValueError, OverflowError):  # too many digits
        limit = parse_ratelimit_headers(headers)
        if limit and limit.remaining < RESERVE:
            return max(BETWEEN, min(float(limit.reset_in_seconds), LONGEST_PAUSE))
    return BETWEEN
