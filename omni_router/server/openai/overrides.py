"""Settings of a run in a request: as header `x-omni-NAME`, or as body field `omni_NAME`, which wins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.datastructures import Headers

from omni_router.config.parameters import parse_organization, parse_patterns, parse_prefer, parse_price
from omni_router.config.routes import Route
from omni_router.config.settings import NO_FALLBACK
from omni_router.server.openai.errors import ApiError, shown, wrong

HEADER, FIELD = "x-omni-", "omni_"


class _Override(NamedTuple):
    """A value, and the header or field that holds it."""

    param: str
    value: object


def _fallback_route(override: _Override, routes: Sequence[Route]) -> str:
    names = [NO_FALLBACK, *(route.name for route in routes)]
    if isinstance(override.value, str):
        for name in names:
            if name.casefold() == override.value.strip().casefold():
                return name
    raise wrong(override.param, override.value, f"allowed are {', '.join(names)}")


def _route(override: _Override, routes: Sequence[Route]) -> str:
    for route in routes:
        if isinstance(override.value, str) and route.name.casefold() == override.value.strip().casefold():
            return route.name
    raise wrong(override.param, override.value, f"allowed are {', '.join(route.name for route in routes)}")


def _parsed(parse: Callable[[str], Any], *, numbers: bool = False) -> Callable[[_Override, Sequence[Route]], Any]:
    """Return a reader of what `parse` takes as text; the elements of a list, or a number, may be JSON's own."""

    def read(override: _Override, _routes: Sequence[Route]) -> Any:
        text = _as_text(override.value)
        if isinstance(override.value, int | float) and not numbers:
            text = ""  # which `parse` refuses
        try:
            return parse(text)
        except ValueError as error:
            raise wrong(override.param, override.value, f"allowed is {error}") from None

    return read


def _flag(override: _Override, _routes: Sequence[Route]) -> bool:
    """Read JSON's true and false, or their words in a header."""
    if isinstance(override.value, bool):
        return override.value
    word = _as_text(override.value).strip().casefold()
    if word not in ("true", "false"):
        raise wrong(override.param, override.value, "allowed are true and false")
    return word == "true"


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return ",".join(value)
    return ""


# The fields of `Settings` that a request may set, and how each is read. A reader raises ApiError for a wrong value.
OVERRIDES: dict[str, Callable[[_Override, Sequence[Route]], Any]] = {
    "route": _route,  # beside a `model` of the Hub, which otherwise leaves the route to the router
    "fallback_route": _fallback_route,
    "another": _flag,
    "prefer": _parsed(parse_prefer, numbers=True),
    "only": _parsed(parse_patterns),
    "never": _parsed(parse_patterns),
    "max_price": _parsed(parse_price, numbers=True),
    "bill_to": _parsed(parse_organization),
}
HEADERS = {f"{HEADER}{name.replace('_', '-')}": name for name in OVERRIDES}
FIELDS = {f"{FIELD}{name}": name for name in OVERRIDES}


def read_overrides(headers: Headers, body: Mapping[str, Any], routes: Sequence[Route]) -> dict[str, Any]:
    """Return the fields of `Settings` that a request sets.

    Raises:
        ApiError: a name is unknown, or its value is not allowed.
    """
    overrides = {**_from_headers(headers), **_from_body(body)}
    return {name: OVERRIDES[name](override, routes) for name, override in overrides.items()}


def _from_headers(headers: Headers) -> dict[str, _Override]:
    overrides = {}
    for header in headers:
        if header.startswith(HEADER):
            # Percent-encoded, as in responses: a route may have any name.
            overrides[_known(header, HEADERS, "header")] = _Override(header, unquote(headers[header]))
    return overrides


def _from_body(body: Mapping[str, Any]) -> dict[str, _Override]:
    overrides = {}
    for field, value in body.items():
        if field.startswith(FIELD) and value is not None:
            overrides[_known(field, FIELDS, "parameter")] = _Override(field, value)
    return overrides


def _known(name: str, table: Mapping[str, str], kind: str) -> str:
    """Return the field of a name. A name that begins like ours is meant for us, so an unknown one is an error."""
    if name not in table:
        raise ApiError(f"Unknown {kind}: {shown(name)}. Allowed are {', '.join(table)}.", param=name,
                       code="unknown_parameter")  # fmt: skip
    return table[name]
