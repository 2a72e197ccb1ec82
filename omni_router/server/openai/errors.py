"""Failures as OpenAI's clients read them: a status, and `{"error": {"message", "type", "param", "code"}}`."""

import logging
import reprlib
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, NamedTuple

from starlette.datastructures import Headers

from omni_router.errors import ErrorInfo, ErrorKind, InvalidRequest, OmniRouterError, for_audience
from omni_router.hints import HTTP
from omni_router.server.bodies import ModelJSONResponse

logger = logging.getLogger("omni_router")

INVALID = "invalid_request_error"
SERVER = "server_error"

_SHOWN = 100  # characters of a wrong value that an error repeats
_MAX_PARAM = 200  # characters of a parameter's name, which a client chooses
_REPR = reprlib.Repr()  # reads only the first few elements of a list or an object
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _SHOWN


class ErrorResponse(NamedTuple):
    """The response for an error kind."""

    status: int
    type: str
    code: str  # OpenAI's where there is one, else the kind
    retry: bool = False  # whether the same request may succeed in a moment, so that clients retry


# 4xx: the caller or the account has to act. 5xx: the server failed, or a service that it depends on.
KIND_STATUS: dict[ErrorKind, ErrorResponse] = {
    "token": ErrorResponse(
        401, "authentication_error", "token"
    ),  # the server's token for the Hub, not the caller's key
    "payment": ErrorResponse(402, "insufficient_quota", "insufficient_quota"),
    "not_found": ErrorResponse(404, INVALID, "model_not_found"),
    "no_route": ErrorResponse(422, INVALID, "no_route"),  # well-formed, but no route fits
    "bad_request": ErrorResponse(400, INVALID, "bad_request"),
    "bad_image": ErrorResponse(400, INVALID, "bad_image"),
    "refused": ErrorResponse(400, INVALID, "content_filter"),
    "rate_limited": ErrorResponse(429, "rate_limit_error", "rate_limit_exceeded", retry=True),
    "overloaded": ErrorResponse(503, SERVER, "overloaded", retry=True),
    "timeout": ErrorResponse(504, SERVER, "timeout", retry=True),
    "connection": ErrorResponse(502, SERVER, "connection", retry=True),
    "malformed_answer": ErrorResponse(
        502, SERVER, "malformed_answer", retry=True
    ),  # a gateway's status for an unreadable reply
    "no_provider": ErrorResponse(503, SERVER, "no_provider"),  # the model exists, but no provider serves it now
    "no_model": ErrorResponse(503, SERVER, "no_model"),
    "no_reply": ErrorResponse(500, SERVER, "no_reply"),  # the router belongs to this server
}


class ApiError(OmniRouterError):
    """A failure with the response for the client."""

    def __init__(  # noqa: PLR0913 (all by name)
        self,
        message: str,
        *,
        status: int = 400,
        type: str = INVALID,  # noqa: A002 (OpenAI's word)
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        omni: Mapping[str, Any] | None = None,
    ) -> None:
        self.type, self.code, self.omni = type, code, omni
        self.param = param if param is None else param[:_MAX_PARAM]
        self.status, self.headers = status, {"x-should-retry": "false", **(headers or {})}  # OpenAI's clients obey it
        super().__init__(message)

    @property
    def body(self) -> dict[str, Any]:
        """The body in OpenAI's form."""
        error = {"message": str(self), "type": self.type, "param": self.param, "code": self.code}
        body: dict[str, Any] = {"error": error}
        if self.omni is not None:
            body["omni"] = self.omni
        return body

    def response(self) -> ModelJSONResponse:
        """Return the whole response, in OpenAI's form."""
        return ModelJSONResponse(self.body, self.status, self.headers)


ErrorWriter = Callable[[ApiError, Headers], ModelJSONResponse]  # with the headers of the request


def openai_error(error: ApiError, _headers: Headers) -> ModelJSONResponse:
    """Return the response for a failure in OpenAI's form."""
    return error.response()


def shown(value: object) -> str:
    """Return a wrong value for an error message: only its beginning, since it may be huge, or nested deeply."""
    if not isinstance(value, str):
        text = _REPR.repr(value)
    elif len(value) <= _SHOWN:
        return repr(value)
    else:
        text = repr(value[:_SHOWN])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def wrong(param: str, value: object, allowed: str) -> ApiError:
    """Return the error for a value that is not allowed, with the allowed ones."""
    return ApiError(f"{param[:_MAX_PARAM]} is {shown(value)}: {allowed}", param=param, code="invalid_value")


def failed_run(error: ErrorInfo, *, headers: Mapping[str, str], omni: Mapping[str, Any]) -> ApiError:
    """Return the error for a failed run, with a hint of what to do about it."""
    response = KIND_STATUS[error["kind"]]
    if error["cause"] == "context":
        response = response._replace(code="context_length_exceeded")  # OpenAI's, on which agents shorten
    retry = {"x-should-retry": str(response.retry).lower()}
    if error["retry_after"] is not None:
        retry["retry-after"] = str(ceil(error["retry_after"]))
    return ApiError(
        f"{error['message']} {for_audience(error, HTTP)['hint']}",
        status=response.status,
        type=response.type,
        code=response.code,
        param="model" if response.code == "model_not_found" else None,
        headers={**headers, **retry},
        omni=omni,
    )


def as_api_error(error: Exception) -> ApiError:
    """Return the error for an exception; what a caller cannot correct goes to the log, since it may name paths."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InvalidRequest):  # such as a broken image, or nothing to answer
        return ApiError(str(error), code="invalid_request")
    if isinstance(error, OmniRouterError):
        logger.error("a request failed: %s", error)
        return ApiError("The server is not configured correctly; its log says what to correct.", status=500,
                        type=SERVER, code="configuration")  # fmt: skip
    logger.error("a request failed", exc_info=error)
    return ApiError("The server failed on this request; its log has the details.", status=500,
                    type=SERVER, code="internal_error")  # fmt: skip
