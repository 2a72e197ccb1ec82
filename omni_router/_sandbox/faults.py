"""What can go wrong on request: one table of faults, and the two ways to ask for one.

`box.fail("overloaded_503")` plans a fault for the next calls. `[[sandbox:overloaded_503]]` in a prompt asks for it
whenever that prompt arrives, and `[[sandbox:overloaded_503*2]]` only the first two times, which works across
processes. Several directives in one prompt apply in their order.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

# Which requests a fault is for: calls of a specialist, the client's request for a model's providers, requests of the
# catalog, all requests to the Hub, requests for boards and Arena's ratings, or images fetched from anywhere else.
Where = Literal["specialist", "mapping", "catalog", "hub", "boards", "web"]
Raised = Literal["ReadTimeout", "ConnectError"]
Shape = Literal["null_content", "no_choices", "content_filter", "not_an_image", "error_frame", "cut", "cut_at_start"]

_HTML = b"<!DOCTYPE html><html><body><h1>Simulated page</h1></body></html>"
_UNSUPPORTED = {
    "message": "The requested model is not supported by any provider you have enabled. (simulated)",
    "type": "invalid_request_error",
    "param": "model",
    "code": "model_not_supported",
}


@dataclass(frozen=True)
class Fault:
    """What a fault is: an exception, a whole answer, or a regular answer in a wrong shape."""

    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    raises: Raised | None = None  # an exception of httpx, raised before any answer
    shape: Shape | None = None  # produced by chat.py and images.py
    where: Where = "specialist"


def _http(status: int, text: str, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status, {"error": f"{text} (simulated)"}, named)


FAULTS: dict[str, Fault] = {
    "token_401": _http(401, "Invalid username or password."),
    "token_403": _http(403, "Forbidden", X_Error_Message="This token may not call Inference Providers. (simulated)"),
    "payment_402": _http(402, "The included credits of this month are used up."),
    "not_found_404": _http(404, "Not Found"),
    "gone_410": _http(410, "This model is no longer served."),
    "rate_limited_429": _http(429, "Too many requests.", retry_after="2", ratelimit='"api";r=0;t=2'),
    "overloaded_503": _http(503, "The service is overloaded."),
    "overloaded_500": _http(500, "Internal server error"),
    "failed_dependency_424": _http(424, "The provider did not answer."),
    "bad_request_400": _http(400, "The parameters are not valid."),
    "unprocessable_422": _http(422, "The input cannot be processed."),
    "model_not_supported": Fault(400, {"error": _UNSUPPORTED}),
    "gateway_timeout_504": _http(504, "The upstream did not answer in time."),
    "read_timeout": Fault(raises="ReadTimeout"),  # raised at once: a test need not wait for it
    "refused_connection": Fault(raises="ConnectError"),
    "html_body": Fault(body=_HTML, headers={"content-type": "text/html; charset=utf-8"}),
    "empty_body": Fault(body=b""),
    "error_body": _http(200, "The model crashed."),
    "null_content": Fault(shape="null_content"),
    "no_choices": Fault(shape="no_choices"),
    "content_filter": Fault(shape="content_filter"),
    "not_an_image": Fault(shape="not_an_image"),
    "stream_error_frame": Fault(shape="error_frame"),
    "stream_cut": Fault(shape="cut"),
    "stream_cut_at_start": Fault(shape="cut_at_start"),
    "no_provider": Fault(body={}, where="mapping"),  # the mapping is present but empty
    "catalog_503": Fault(503, {"error": "Models cannot be listed. (simulated)"}, where="catalog"),
    "hub_503": Fault(503, {"error": "The Hub is down. (simulated)"}, where="hub"),
    "hub_timeout": Fault(raises="ReadTimeout", where="hub"),
    "hub_refused_connection": Fault(raises="ConnectError", where="hub"),
    "boards_429": replace(_http(429, "Too many requests.", retry_after="7"), where="boards"),
    "boards_503": Fault(503, {"error": "Boards cannot be read. (simulated)"}, where="boards"),
    "boards_html": Fault(body=_HTML, headers={"content-type": "text/html; charset=utf-8"}, where="boards"),
    "web_404": Fault(404, b"Not Found", {"content-type": "text/plain"}, where="web"),
    "web_html": Fault(body=_HTML, headers={"content-type": "text/html; charset=utf-8"}, where="web"),
}

# The usual fault of each error kind; kinds that come from the graph itself have none.
OF_KIND: dict[str, str] = {
    "not_found": "not_found_404",
    "token": "token_401",
    "payment": "payment_402",
    "rate_limited": "rate_limited_429",
    "overloaded": "overloaded_503",
    "timeout": "read_timeout",
    "connection": "refused_connection",
    "bad_request": "bad_request_400",
    "refused": "content_filter",
    "malformed_answer": "error_body",
    "bad_image": "web_html",
}

_DIRECTIVE = re.compile(r"\[\[sandbox:([^\[\]*]*)(?:\*(\d+))?\]\]")


class Directive(NamedTuple):
    """A fault that a prompt asks for: the first `times` times it comes, or always."""

    text: str
    fault: Fault
    times: int | None


def find(name: str) -> Fault:
    """Return a fault by its own name or by an error kind.

    Raises:
        ValueError: there is no such fault.
    """
    try:
        return FAULTS[OF_KIND.get(name, name)]
    except KeyError:
        allowed = ", ".join([*FAULTS, *OF_KIND])
        raise ValueError(f"The sandbox has no fault {name!r}; it has: {allowed}") from None


def directives(prompt: str) -> Iterator[Directive]:
    """Yield the faults that a prompt asks for."""
    for match in _DIRECTIVE.finditer(prompt):
        fault = find(match[1].strip())
        # Prompts only reach specialists, where a model without a provider is answered like one that is not supported.
        if fault.where != "specialist":
            fault = FAULTS["model_not_supported"]
        times = int(match[2]) if match[2] else None
        yield Directive(match[0], fault, times)


def without_directives(prompt: str) -> str:
    """Return a prompt without what was meant for the sandbox."""
    return " ".join(_DIRECTIVE.sub(" ", prompt).split())
