"""The configuration of the LangGraph server, as far as it concerns the routes that are mounted into it.

Its command line and its container images pass the parts of langgraph.json on as JSON in the variables LANGGRAPH_HTTP
and LANGGRAPH_AUTH, so that the guard uses the same list of origins.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from omni_router.errors import ConfigurationError
from omni_router.server.allowed_hosts import AllowedHosts, allowed_hosts

STUDIO = "https://smith.langchain.com"  # the origin of the server's own page, when langgraph.json names no origins


def hosts_of_server(variables: Mapping[str, str] = os.environ, cors: Iterable[str] = ()) -> AllowedHosts:
    """Return the names and origins that a LangGraph server serves: OMNI_HOSTS, `http.cors`, and those in `cors`.

    Raises:
        ConfigurationError: a name in OMNI_HOSTS, or the pattern of origins, cannot be one.
    """
    configured = _cors(variables)
    pattern = configured.get("allow_origin_regex")
    origins = {*_origins(configured, variables), *cors}
    allowed = allowed_hosts(variables, origins=origins)
    return replace(
        allowed,
        any_origin=allowed.any_origin or "*" in origins,
        origin_pattern=_compiled(pattern),
    )


def key_notice(variables: Mapping[str, str] = os.environ) -> str | None:
    """Return a warning for the start: OMNI_API_KEY guards less in this server than its name promises."""
    if not variables.get("OMNI_API_KEY", "").strip() or variables.get("LANGGRAPH_AUTH"):
        return None
    return (
        "OMNI_API_KEY protects only /v1: /runs, /threads, /assistants and /store, /mcp and /a2a, /omni/metrics ask for "
        "no key. Set `auth` in langgraph.json to guard them (docs/how-to/auth.md), or let only trusted machines reach "
        "this port."
    )


def _cors(variables: Mapping[str, str]) -> dict[str, Any]:
    if cors := _json_object(variables, "CORS_CONFIG"):
        return cors
    configured = _json_object(variables, "LANGGRAPH_HTTP").get("cors")
    return configured if isinstance(configured, dict) else {}


def _json_object(variables: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        value = orjson.loads(variables.get(name) or "{}")
    except orjson.JSONDecodeError:
        return {}  # the server itself refuses to start with it
    return value if isinstance(value, dict) else {}


def _origins(configured: Mapping[str, Any], variables: Mapping[str, str]) -> Sequence[str]:
    if configured.get("allow_origins") is not None:
        return [str(origin) for origin in configured["allow_origins"]]
    listed = variables.get("CORS_ALLOW_ORIGINS", "").split(",")
    origins = [origin.strip() for origin in listed if origin.strip()]
    if origins or configured:
        return origins
    return [STUDIO]


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(f"http.cors.allow_origin_regex is {pattern!r}: {error}") from error
