"""Settings of a run that a request may give: as header `x-omni-NAME`, or as body field `omni_NAME`, which wins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.datastructures import Headers

from omni_router.config.routes import Route
from omni_router.config.settings import NO_FALLBACK
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.messages import wrong

HEADER, FIELD = "x-omni-", "omni_"


class _Given(NamedTuple):
    """A value, and where in the request it is."""

    where: str
    value: object


def _fallback_route(given: _Given, routes: Sequence[Route]) -> str:
    names = [NO_FALLBACK, *(route.name for route in routes)]
    if isinstance(given.value, str):
        for name in names:
            if name.casefold() == given.value.strip().casefold():
                return name
    raise wrong(given.where, given.value, f"allowed are {', '.join(names)}")


# The fields of `Settings` that a request may give, and how each is read. A reader raises ApiError for a wrong value.
OVERRIDES: dict[str, Callable[[_Given, Sequence[Route]], Any]] = {
    "fallback_route": _fallback_route,
}
HEADERS = {f"{HEADER}{name.replace('_', '-')}": name for name in OVERRIDES}
FIELDS = {f"{FIELD}{name}": name for name in OVERRIDES}


def read_overrides(headers: Headers, body: Mapping[str, Any], routes: Sequence[Route]) -> dict[str, Any]:
    """Return the fields of `Settings` that a request gives.

    Raises:
        ApiError: a name is unknown, or its value is not allowed.
    """
    given = {**_from_headers(headers), **_from_body(body)}
    return {name: OVERRIDES[name](value, routes) for name, value in given.items()}


def _from_headers(headers: Headers) -> dict[str, _Given]:
    given = {}
    for header in headers:
        if header.startswith(HEADER):
            # Percent-encoded, as in responses: a route may have any name.
            given[_known(header, HEADERS, "header")] = _Given(header, unquote(headers[header]))
    return given


def _from_body(body: Mapping[str, Any]) -> dict[str, _Given]:
    given = {}
    for field, value in body.items():
        if field.startswith(FIELD) and value is not None:
            given[_known(field, FIELDS, "parameter")] = _Given(field, value)
    return given


def _known(name: str, table: Mapping[str, str], kind: str) -> str:
    """Look up a name. One that begins like ours is meant for us: ignoring it would be missed."""
    if name not in table:
        raise ApiError(f"Unknown {kind}: {name!r}. Allowed are {', '.join(table)}.", param=name,
                       code="unknown_parameter")  # fmt: skip
    return table[name]
