"""Map the client's failures to error kinds: one table, by type, status and JSON code, never by the text."""

import binascii
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from traceback import walk_tb
from typing import Any

from omni_router.errors import BadImage, ErrorKind, SpecialistError

STATUS_KINDS: dict[int, ErrorKind] = {
    400: "bad_request",
    401: "token",
    402: "payment",
    403: "token",
    404: "not_found",
    408: "timeout",
    410: "not_found",
    424: "overloaded",
    429: "rate_limited",
    504: "timeout",
}
CODE_KINDS: dict[str, ErrorKind] = {"model_not_supported": "not_found"}

DETAIL_CHARS = 300  # enough for a sentence of the server, short enough for an answer
_READERS = ("json.decoder", "huggingface_hub.inference")  # the modules that make objects of an answer
LONGEST_WAIT = 31 * 24 * 3600.0  # seconds: until the next month's credits; what asks for more means something else


@contextmanager
def specialist_errors(model: str, token: str | None = None) -> Iterator[None]:
    """Turn what the client raises in the block into a `SpecialistError`; any other exception passes unchanged."""
    try:
        yield
    except SpecialistError:
        raise
    except Exception as error:
        kind = kind_of(error)
        if kind is None:
            raise
        failure = SpecialistError(
            kind, model=model, cause=cause_of(error), detail=_detail(error, token), retry_after=_retry_after(error)
        )
        # contextlib takes a RuntimeError caused by a StopIteration for Python's own, and lets the StopIteration out.
        raise failure from (None if isinstance(error, StopIteration) else error)


def kind_of(error: BaseException) -> ErrorKind | None:
    """Return the kind of a client's failure; None for one that is not the client's."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, TextGenerationError
    from huggingface_hub.errors import OverloadedError as Overloaded
    from huggingface_hub.errors import ValidationError as Invalid
    from PIL import Image, UnidentifiedImageError

    from omni_router.hub.http import httpx

    if is_stop_iteration(error):
        return "no_provider"
    if _has_telling_status(error):
        return _kind_of_response(error.response)  # type: ignore[attr-defined]
    # In this order: many of these are subclasses of ones further down.
    table: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], ErrorKind], ...] = (
        (BadImage, "bad_image"),
        (GatedRepoError, "token"),
        (RepositoryNotFoundError, "not_found"),  # the Hub answers 401 for a repository it does not show to everyone
        (Overloaded, "overloaded"),
        (Invalid, "bad_request"),
        (TextGenerationError, "malformed_answer"),  # an error frame inside a stream
        ((httpx.TimeoutException, TimeoutError), "timeout"),
        # It was reached, and closed the connection: the provider's trouble, as a 503 is.
        ((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError), "overloaded"),
        ((httpx.TransportError, ConnectionError), "connection"),
        ((httpx.DecodingError, httpx.TooManyRedirects, httpx.InvalidURL), "malformed_answer"),
        ((json.JSONDecodeError, UnidentifiedImageError, UnicodeDecodeError, binascii.Error), "malformed_answer"),
        (Image.DecompressionBombError, "malformed_answer"),
        ((KeyError, IndexError, TypeError, AttributeError), "malformed_answer"),  # a 200 with another shape of body
        (ValueError, "no_provider" if _before_the_call(error) else "malformed_answer"),
    )
    if isinstance(error, RecursionError):  # deeply nested lists, or keys that the client trips on
        reading = any(name.startswith(_READERS) for name in _modules(error)[-1:])
        return "malformed_answer" if reading else None  # any other is a fault of this process
    return next((kind for types, kind in table if isinstance(error, types)), None)


def _has_telling_status(error: Any) -> bool:
    """Return whether an error is known by the status and the body of its response."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    from omni_router.hub.http import httpx

    if isinstance(error, (GatedRepoError, RepositoryNotFoundError)):
        return False
    return isinstance(error, (HfHubHTTPError, httpx.HTTPStatusError))


def _before_the_call(error: BaseException) -> bool:
    """Return whether a ValueError is about who serves the model (no mapping, or none for this task), not the answer.

    Both are bare ValueErrors, and only where they are raised sets them apart.
    """
    functions = [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]
    in_providers = any(name.startswith("huggingface_hub.inference._providers") for name in _modules(error)[-1:])
    return in_providers and "get_response" not in functions


def _modules(error: BaseException) -> list[str]:
    """Return the modules that an error came through, the one that raised it last."""
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(error.__traceback__)]


def is_stop_iteration(error: BaseException | None) -> bool:
    """Return whether it is the client's StopIteration, perhaps as the RuntimeError that a generator makes of it."""
    return isinstance(error, StopIteration) or (
        isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration)
    )


def _kind_of_response(response: Any) -> ErrorKind:
    code = _body(response).get("code")
    if isinstance(code, str) and code in CODE_KINDS:
        return CODE_KINDS[code]
    return kind_of_status(response.status_code)


def kind_of_status(status: int) -> ErrorKind:
    """Return the kind of failure that the status of a response means."""
    return STATUS_KINDS.get(status, "overloaded" if status >= 500 else "bad_request")  # noqa: PLR2004


def _body(response: Any) -> dict[str, Any]:
    """Return the error object of a response: `{"error": {...}}`, `{"error": "text"}` or the bare object."""
    from omni_router.hub.http import httpx

    try:
        error = response.json()
    except (ValueError, RecursionError, httpx.HTTPError, httpx.StreamError):  # not JSON, or an unread stream
        return {}
    if isinstance(error, dict):
        error = error.get("error", error)
    return error if isinstance(error, dict) else {"message": error}


def cause_of(error: BaseException) -> str:
    """Return the cause of a failure: the status of the response, or the type of the exception."""
    if is_stop_iteration(error):
        return "StopIteration"
    if (response := getattr(error, "response", None)) is not None:
        return f"HTTP {response.status_code}"
    return type(error).__name__


def _detail(error: BaseException, token: str | None) -> str:
    """Return what the server, or the failed check, wrote about it."""
    if isinstance(error, BadImage):
        return scrub(str(error), token)
    response = getattr(error, "response", None)
    if response is None:
        return ""
    message = _body(response).get("message") or response.headers.get("x-error-message") or ""
    # In this order: half a token is not recognised.
    return scrub(" ".join(_text(message).split()), token)[:DETAIL_CHARS]


def _text(message: object) -> str:
    try:
        return str(message)
    except RecursionError:  # a thousand nested lists
        return ""


def _retry_after(error: BaseException) -> float | None:
    response = getattr(error, "response", None)
    if response is None:
        return None
    return requested_wait(response.headers)


def requested_wait(headers: Any) -> float | None:
    """Return how many seconds the server asks to wait; None if it sends no number, or one that is not a wait."""
    wait = _named_wait(headers.get("retry-after", "").strip())
    if wait is None:
        wait = _limit_wait(headers)
    return wait if wait is not None and wait <= LONGEST_WAIT else None


def _named_wait(header: str) -> float | None:
    """Read `retry-after`: seconds or a date."""
    if header.isdecimal():
        return float(header)
    with suppress(ValueError, OverflowError):  # a year, an hour or an offset with too many digits
        date = parsedate_to_datetime(header)
        if date.tzinfo is None:  # an offset of -0000
            date = date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    return None


def _limit_wait(headers: Any) -> float | None:
    """Read `ratelimit`, which says how many requests are left until when."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    with suppress(ValueError, OverflowError):  # too many digits
        limit = parse_ratelimit_headers(headers)
        if limit and not limit.remaining:
            return float(limit.reset_in_seconds)
    return None


def scrub(text: str, token: str | None = None) -> str:
    """Return the text with every token replaced."""
    if token:
        text = text.replace(token, "hf_***")
    return re.sub(r"hf_[A-Za-z0-9]{4,}", "hf_***", text)
