"""Answer bodies of /a2a that cannot be a request with JSON-RPC errors, and without a traceback in the log.

The SDK answers most of them correctly, but logs each as a crash of the server; it also crashes on JSON that is nested
too deeply, or holds numbers that Python does not parse.
"""

import json
import logging
from itertools import chain
from math import isfinite
from typing import Any

from a2a.server.jsonrpc_models import JSONParseError
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.utils.errors import InvalidRequestError
from starlette.responses import JSONResponse

from omni_router.server.bodies import TooLarge, check_values, children

MAX_DEPTH = 24  # levels of lists and objects: each is three messages of protobuf, which parses a hundred at most

# The loggers and messages with which the SDK logs a client's mistake.
_LOGGERS = ("a2a.server.routes.jsonrpc_dispatcher", "a2a.compat.v0_3.jsonrpc_adapter")
_CLIENT_ERRORS = ("Failed to validate base JSON-RPC request", "Failed to parse request params")


class ClientErrorFilter(logging.Filter):
    """Shortens the log of a client's mistake to one line: its traceback would bury those of crashes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the traceback from such a record."""
        if record.exc_info and str(record.msg).startswith(_CLIENT_ERRORS):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def shorten_log_of_client_errors() -> None:
    """Add the filter to the SDK's loggers; further calls have no effect."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, ClientErrorFilter) for each in logger.filters):
            logger.addFilter(ClientErrorFilter())


def refusal_of(body: bytes) -> JSONResponse | None:
    """Return the JSON-RPC error for a body that the SDK would fail on, None for all others."""
    try:
        check_values(body)
    except TooLarge as error:
        message = f"The body is too large: {error}"
        return JSONResponse(build_error_response(None, InvalidRequestError(message=message)), 413)
    try:
        value = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        return _not_json("it is nested too deeply")
    except ValueError as error:
        return _not_json(str(error))
    if is_deeper_than(MAX_DEPTH, value):
        message = f"The body is nested too deeply; allowed are {MAX_DEPTH} levels of lists and objects"
        return JSONResponse(build_error_response(None, InvalidRequestError(message=message)))
    return None


def is_deeper_than(depth: int, value: Any) -> bool:
    """Check for more than `depth` levels of lists and objects, without recursion."""
    level = [value]
    for _ in range(depth + 1):
        level = list(chain.from_iterable(map(children, level)))
        if not level:
            return False
    return True


def _not_json(problem: str) -> JSONResponse:
    error = JSONParseError(message=f"The body is not valid JSON: {problem}")
    return JSONResponse(build_error_response(None, error))


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        _refuse(text[:20])
    return value
