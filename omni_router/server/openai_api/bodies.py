"""The bodies of requests: read as JSON, and checked against what is served."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from omni_router.server.json_shape import TooLarge, parse_json
from omni_router.server.openai_api.errors import ApiError
from omni_router.server.openai_api.messages import wrong
from omni_router.server.openai_api.requests import Body

# What changes nothing of an answer's text, or only how it is billed, kept and sped up: taken and not looked at.
IGNORED = frozenset(
    (
        *(
            "metadata",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_retention",
            "reasoning_effort",
            "safety_identifier",
        ),
        *("service_tier", "store", "user", "verbosity"),
        *("background", "moderation", "quality", "style", "output_compression"),  # of pictures
    )
)
# What is served in one way only: the values that ask for that one, beside null.
ONLY: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "functions": (),
    "function_call": (),
    "web_search_options": (),
    "output_format": ("png",),
    "partial_images": (0,),
}

Kind = TypeVar("Kind", bound=Body)


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object.

    Raises:
        ApiError: it is none, is not said to be JSON, or holds more than anybody sends.
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
        ApiError: a parameter is unknown, or has a value that is not served; it names both and what is allowed.
    """
    for name, allowed in ONLY.items():
        if found.get(name) is not None and found[name] not in allowed:
            told = f"allowed is {' or '.join(map(repr, allowed))}" if allowed else "it is not served here"
            raise wrong(name, found[name], told)
    rest = {name: value for name, value in found.items() if name not in IGNORED and name not in ONLY}
    try:
        return kind.model_validate(rest)
    except ValidationError as error:
        raise _told(error.errors()[0], kind) from error


def _told(first: Any, kind: type[BaseModel]) -> ApiError:
    param = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        return ApiError(f"Unknown parameter: {param!r}. Served are {known}; the documentation names what is ignored.",
                        param=param, code="unknown_parameter")  # fmt: skip
    if first["type"] == "missing":
        return ApiError(f"The parameter {param!r} is missing.", param=param, code="missing_required_parameter")
    return wrong(param, first["input"], first["msg"])


def _path(place: Iterable[str | int]) -> str:
    """Write where in a body something is; pydantic also names the type it tried, which is no part of the body."""
    named = (part for part in place if isinstance(part, int) or (part.isidentifier() and part != "str"))
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).removeprefix(".")
