"""The bodies of requests: read as JSON, and checked against what is served; parameters without effect are noted."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from pydantic import ValidationError
from starlette.requests import Request

from omni_router.server.bodies import TooLarge, parse_json
from omni_router.server.headers import IGNORED_HEADER
from omni_router.server.openai.errors import ApiError, shown, wrong
from omni_router.server.openai.requests import Body

# Parameters that would change the meaning of an answer and are not served: the values without effect (beside null), and
# what to do instead. Every other parameter that is not served is ignored, and the response says so.
Refused = dict[str, tuple[tuple[object, ...], str]]
REFUSED: Refused = {
    "n": ((1,), "allowed is 1; send the request several times for several answers"),
    "logprobs": ((False,), "allowed is False; log probabilities are not served"),
    "top_logprobs": ((0,), "allowed is 0; log probabilities are not served"),
    "modalities": ((["text"],), "allowed is ['text']; images are generated at /v1/images/generations"),
    "audio": ((), "audio is not served; leave it out"),
    "functions": (([],), "functions are not served; send them as `tools`"),
    "function_call": (("none",), "function_call is not served; send `tools` and `tool_choice`"),
    "web_search_options": ((), "web search is not served; leave it out"),
    "output_format": (("png",), "allowed is 'png'"),
    "partial_images": ((0,), "allowed is 0; images are sent whole"),
}

_MAX_NAMES, _MAX_NAME_LENGTH = 20, 64  # clients read headers of some kilobytes in all

BodyT = TypeVar("BodyT", bound=Body)


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object.

    Raises:
        ApiError: the body is not a JSON object, has another content type, or holds more than any client needs.
    """
    # A page in a browser may send any other type to a server on the same machine without a preflight.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError("Send the body as JSON, with the header `Content-Type: application/json`.", status=415,
                       code="unsupported_media_type")  # fmt: skip
    # Not request.body(), which copies its chunks, and keeps them for as long as the answer takes.
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    try:
        value = await parse_json(body)
    except TooLarge as error:
        raise ApiError(f"The body is too large: {error}.", status=413, code="request_too_large") from error
    except orjson.JSONDecodeError as error:
        raise ApiError(f"The body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise ApiError("The body is JSON, but not an object.", code="invalid_json")
    return value


def read_as(kind: type[BodyT], body: Mapping[str, Any], refused: Refused = REFUSED) -> BodyT:
    """Check a body against what is served.

    Raises:
        ApiError: a parameter has a value that is not allowed; the error names both, and the values that are.
    """
    for name, (allowed, remedy) in refused.items():
        if body.get(name) is not None and body[name] not in allowed:
            raise wrong(name, body[name], remedy)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise _api_error(error.errors()[0]) from error


def ignored_names(kind: type[Body], body: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a body that have no effect; null has none anyway."""
    served = {*kind.model_fields, *REFUSED}
    return [name for name, value in body.items() if value is not None and name not in served]


def note_ignored(request: Request, names: Iterable[str]) -> None:
    """Note parameters without effect for the header of the response."""
    request.state.ignored = list(dict.fromkeys([*ignored(request), *names]))


def ignored(request: Request) -> list[str]:
    """Return the parameters that have been noted so far."""
    return list(getattr(request.state, "ignored", []))


def ignored_header(request: Request) -> dict[str, str]:
    """Return the header that names them, or nothing if there are none; clients choose the names: they are encoded."""
    names = [quote(name[:_MAX_NAME_LENGTH], safe="") for name in ignored(request)]
    return {IGNORED_HEADER: ", ".join(names[:_MAX_NAMES])} if names else {}


def _api_error(first: Any) -> ApiError:
    param = _path(first["loc"])
    if first["type"] == "missing":
        return ApiError(f"The parameter {shown(param)} is missing.", param=param, code="missing_required_parameter")
    return wrong(param, first["input"], first["msg"])


def _path(location: Iterable[str | int]) -> str:
    """Return a location in a body as text, without the type that pydantic tried, which it names as well."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part != "str":
            path += f".{part}"
    return path.removeprefix(".")
