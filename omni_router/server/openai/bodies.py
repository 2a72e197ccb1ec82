"""The bodies of requests: read as JSON, checked against what is served, and what of them is ignored."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import Request

from omni_router.server.json_shape import TooLarge, parse_json
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.messages import wrong
from omni_router.server.openai.requests import Body

# What would change the meaning of an answer, and cannot be served: the values that ask for nothing of the kind (beside
# null), and what to do instead. Every other parameter that is not served is ignored, and the response says so.
REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "n": ((1,), "allowed is 1; send the request several times for several answers"),
    "logprobs": ((False,), "allowed is False; log probabilities are not served"),
    "top_logprobs": ((0,), "allowed is 0; log probabilities are not served"),
    "modalities": ((["text"],), "allowed is ['text']; pictures are made at /v1/images/generations"),
    "audio": ((), "audio is not served; leave it out"),
    "functions": (([],), "functions are not served; send them as `tools`"),
    "function_call": (("none",), "function_call is not served; send `tools` and `tool_choice`"),
    "web_search_options": ((), "web search is not served; leave it out"),
    "output_format": (("png",), "allowed is 'png'"),
    "partial_images": ((0,), "allowed is 0; pictures are sent whole"),
}

Kind = TypeVar("Kind", bound=Body)


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object.

    Raises:
        ApiError: the body is not a JSON object, its content type is another, or it holds more than anybody sends.
    """
    # A page in somebody's browser may send anything else to a server on their machine without asking it first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError("Send the body as JSON, with the header `Content-Type: application/json`.", status=415,
                       code="unsupported_media_type")  # fmt: skip
    # Not request.body(): it joins its pieces in a copy, and keeps them for as long as the answer takes.
    body = bytearray()
    async for piece in request.stream():
        body += piece
    try:
        found = await parse_json(body)
    except TooLarge as error:
        raise ApiError(f"The body holds more than is taken: {error}.", status=413, code="request_too_large") from error
    except orjson.JSONDecodeError as error:
        raise ApiError(f"The body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(found, dict):
        raise ApiError("The body is JSON, but not an object.", code="invalid_json")
    return found


def read_as(kind: type[Kind], found: Mapping[str, Any]) -> Kind:
    """Check a body against what is served.

    Raises:
        ApiError: a parameter has a value that is not allowed; it names both and what is.
    """
    for name, (allowed, what_to_do) in REFUSED.items():
        if found.get(name) is not None and found[name] not in allowed:
            raise wrong(name, found[name], what_to_do)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise _api_error(error.errors()[0]) from error


def ignored_names(kind: type[Body], found: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a body that have no effect; null asks for none."""
    served = {*kind.model_fields, *REFUSED}
    return [name for name, value in found.items() if value is not None and name not in served]


def _api_error(first: Any) -> ApiError:
    param = _path(first["loc"])
    if first["type"] == "missing":
        return ApiError(f"The parameter {param!r} is missing.", param=param, code="missing_required_parameter")
    return wrong(param, first["input"], first["msg"])


def _path(place: Iterable[str | int]) -> str:
    """Write where in a body something is; pydantic also names the type it tried, which is not part of the body."""
    named = (part for part in place if isinstance(part, int) or (part.isidentifier() and part != "str"))
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).removeprefix(".")
