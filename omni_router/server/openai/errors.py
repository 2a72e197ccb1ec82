"""Failures as OpenAI's clients read them: a status, and `{"error": {"message", "type", "param", "code"}}`."""

import logging
import reprlib
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from omni_router.errors import ErrorInfo, ErrorKind, InvalidRequest, OmniRouterError, hint_for
from omni_router.hints import HTTP
from omni_router.server.openai.to_json import Answer

logger = logging.getLogger("omni_router")

INVALID = "invalid_request_error"
SERVER = "server_error"

_SHOWN = 100  # characters of a wrong value that an error repeats
_REPR = reprlib.Repr()  # looks at the first few elements of a list or an object alone
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _SHOWN


class Told(NamedTuple):
    """How an error kind is told; `again`: whether the same request may do better in a moment, so that clients retry."""

    status: int
    type: str
    code: str  # OpenAI's where there is one, else the kind
    again: bool = False


# 4xx: the caller or the account has to act. 5xx: the server or what stands behind it failed.
KIND_STATUS: dict[ErrorKind, Told] = {
    "token": Told(401, "authentication_error", "token"),  # the server's token for the Hub, not the caller's key
    "payment": Told(402, "insufficient_quota", "insufficient_quota"),
    "not_found": Told(404, INVALID, "model_not_found"),
    "no_route": Told(422, INVALID, "no_route"),  # well-formed, and nothing here is for it
    "bad_request": Told(400, INVALID, "bad_request"),
    "bad_image": Told(400, INVALID, "bad_image"),
    "refused": Told(400, INVALID, "content_filter"),
    "rate_limited": Told(429, "rate_limit_error", "rate_limit_exceeded", again=True),
    "overloaded": Told(503, SERVER, "overloaded", again=True),
    "timeout": Told(504, SERVER, "timeout", again=True),
    "connection": Told(502, SERVER, "connection", again=True),
    "malformed_answer": Told(502, SERVER, "malformed_answer", again=True),  # as a gateway says of what it cannot read
    "no_provider": Told(503, SERVER, "no_provider"),  # the model is there, and for the time being nobody serves it
    "no_model": Told(503, SERVER, "no_model"),
    "no_reply": Told(500, SERVER, "no_reply"),  # the router is a part of this server
}


class ApiError(OmniRouterError):
    """An answer that is a failure: what a client gets instead of what it asked for."""

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
        self.code = code
        self.status, self.headers = status, {"x-should-retry": "false", **(headers or {})}  # OpenAI's clients obey it
        self.body: dict[str, Any] = {"error": {"message": message, "type": type, "param": param, "code": code}}
        if omni is not None:
            self.body["omni"] = omni
        super().__init__(message)

    def response(self) -> Answer:
        """Give the whole answer."""
        return Answer(self.body, self.status, self.headers)


def shown(value: object) -> str:
    """Return a wrong value as an error repeats it: its beginning, since it may have megabytes, or be nested deeply."""
    if isinstance(value, str) and len(value) <= _SHOWN:
        return repr(value)
    text = repr(value[:_SHOWN]) if isinstance(value, str) else _REPR.repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def failed_run(error: ErrorInfo, *, headers: Mapping[str, str], omni: Mapping[str, Any]) -> ApiError:
    """Tell how a run failed, with what to do about it."""
    told = KIND_STATUS[error["kind"]]
    retry = {"x-should-retry": "true" if told.again else "false"}
    if error["retry_after"] is not None:
        retry["retry-after"] = str(ceil(error["retry_after"]))
    return ApiError(
        f"{error['message']} {hint_for(error['kind'], HTTP)}",
        status=told.status,
        type=told.type,
        code=told.code,
        param="model" if told.code == "model_not_found" else None,
        headers={**headers, **retry},
        omni=omni,
    )


def as_api_error(error: Exception) -> ApiError:
    """Tell what was raised; what a caller can do nothing about goes to the log, since it may name paths."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InvalidRequest):  # a picture that is none, nothing to answer
        return ApiError(str(error), code="invalid_request")
    if isinstance(error, OmniRouterError):
        logger.error("a request failed: %s", error)
        return ApiError("The server is not set up as it should be; its log says what to correct.", status=500,
                        type=SERVER, code="configuration")  # fmt: skip
    logger.error("a request failed", exc_info=error)
    return ApiError("The server failed on this request; its log has the details.", status=500,
                    type=SERVER, code="internal_error")  # fmt: skip
