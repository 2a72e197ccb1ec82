"""Failures as Anthropic's clients read them: a status, and `{"type": "error", "error": {"type", "message"}}`."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers

from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.headers import DECISION_ID_HEADER
from omni_router.server.openai.errors import ApiError

REQUEST_ID = "request-id"  # the header that Anthropic's clients show in errors

INTERNAL_ERROR = 500
OVERLOADED = 529  # Anthropic's own status
_STATUS = {422: 400, 503: OVERLOADED}  # of those that Anthropic does not use
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
_TOO_LONG = "prompt is too long"  # the words by which agents know that they have to shorten a conversation


def status_of(error: ApiError) -> int:
    """Return the status for a failure."""
    return _STATUS.get(error.status, error.status)


def error_body(error: ApiError, request_id: str | None = None) -> dict[str, Any]:
    """Return the body of a failure; also that of the event `error` within a stream."""
    status, message = status_of(error), str(error)
    default = "invalid_request_error"
    if status >= INTERNAL_ERROR:
        default = "api_error"
    if error.code == "context_length_exceeded":
        message = f"{_TOO_LONG}: {message}"
    body: dict[str, Any] = {"type": "error", "error": {"type": _TYPES.get(status, default), "message": message}}
    if error.code is not None:
        body["error"]["details"] = {"error_code": error.code}
    if request_id is not None:
        body["request_id"] = request_id
    if error.omni is not None:
        body["omni"] = error.omni
    return body


def anthropic_error(error: ApiError, _headers: Headers) -> ModelJSONResponse:
    """Return the response for a failure in Anthropic's form; `x-should-retry`, which its clients obey, stays."""
    id_ = request_id(error.headers)
    return ModelJSONResponse(error_body(error, id_), status_of(error), {**error.headers, REQUEST_ID: id_})


def request_id(headers: Mapping[str, str]) -> str:
    """Return the id of a request: that of its decision, which `omni-router --why` explains, if there is one."""
    return f"req_{headers.get(DECISION_ID_HEADER) or uuid4().hex}"
