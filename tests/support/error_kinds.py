"""The kind in which each fault of the sandbox ends, whatever the specialist and however it is called."""

from omni_router.errors import ErrorKind

COMMON: dict[str, ErrorKind] = {
    "token_401": "token",
    "token_403": "token",
    "payment_402": "payment",
    "not_found_404": "not_found",
    "gone_410": "not_found",
    "rate_limited_429": "rate_limited",
    "overloaded_503": "overloaded",
    "overloaded_500": "overloaded",
    "failed_dependency_424": "overloaded",
    "bad_request_400": "bad_request",
    "unprocessable_422": "bad_request",
    "model_not_supported": "not_found",
    "gateway_timeout_504": "timeout",
    "read_timeout": "timeout",
    "refused_connection": "connection",
    "html_body": "malformed_answer",
    "empty_body": "malformed_answer",
}
