"""Bodies of /a2a that cannot be a request: told as JSON-RPC errors, and without a traceback in the log.

The SDK answers most of them well, but logs each as a crash of the server; JSON that is nested too deep, or holds
numbers that Python does not read, it answers as a crash too.
"""

import json
import logging
from math import isfinite
from typing import Any

from a2a.server.jsonrpc_models import JSONParseError
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.utils.errors import InvalidRequestError
from starlette.responses import JSONResponse

from omni_router.server.json_shape import TooLarge, check_values

MAX_DEPTH = 24  # levels of lists and objects: each is three messages of protobuf, which reads a hundred at most

# Where the SDK logs what a client got wrong, and with which words.
_LOGGERS = ("a2a.server.routes.jsonrpc_dispatcher", "a2a.compat.v0_3.jsonrpc_adapter")
_CLIENTS_FAULTS = ("Failed to validate base JSON-RPC request", "Failed to parse request params")


class ClientFaults(logging.Filter):
    """Makes one line of a client's mistake: it is no crash, and its traceback would bury those that are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback off such a record."""
        if record.exc_info and str(record.msg).startswith(_CLIENTS_FAULTS):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def log_client_faults_in_one_line() -> None:
    """Set this up for the SDK's loggers; once is enough."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, ClientFaults) for each in logger.filters):
            logger.addFilter(ClientFaults())


def refusal_of(body: bytes) -> JSONResponse | None:
    """Return the JSON-RPC error for a body that the SDK would fail on, None for all others."""
    try:
        check_values(body)
    except TooLarge as error:
        message = f"The body is too large: {error}"
        return JSONResponse(build_error_response(None, InvalidRequestError(message=message)), 413)
    try:
        value = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        return JSONResponse(build_error_response(None, JSONParseError(message=f"The body is not valid JSON: {why}")))
    if is_deeper_than(MAX_DEPTH, value):
        message = f"The body is nested too deep; allowed are {MAX_DEPTH} levels of lists and objects"
        return JSONResponse(build_error_response(None, InvalidRequestError(message=message)))
    return None


def is_deeper_than(depth: int, value: Any) -> bool:
    """Check for more than `depth` levels of lists and objects, without recursion."""
    level = [value]
    for _ in range(depth + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _refuse(text[:20])
