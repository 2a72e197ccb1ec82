"""The environment, read in one place; a given value wins."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from platformdirs import user_cache_path

from omni_router.errors import ConfigurationError
from omni_router.routers.cascade.router import SIZE, TARGET
from omni_router.simulation import is_simulated

RouterName = Literal["auto", "arch", "semantic", "endpoint", "cascade"]

# A router stands before every answer, and the embedded one needs 20 ms: whoever waits longer than this for the choice
# of an endpoint is better served with that one. A 1.5B model on a GPU writes the 60 tokens of a reply well within it.
ROUTER_TIMEOUT = 2.0

N = TypeVar("N", int, float)

POSTGRESQL = ("postgresql://", "postgres://")

TRUE = ("1", "true", "yes", "on")
FALSE = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Environment:
    """Where things are and which router is used; what a run may change is in `Settings`."""

    route_config: Path
    output_dir: Path
    router: RouterName = "auto"
    router_model: str | None = None  # a checkpoint: Hub id or path; with endpoint the name the server knows
    router_prompt: Literal["json", "trained"] = "json"
    router_new_ids: bool = False  # whether it may name a model that is not on offer
    router_url: str | None = field(default=None, repr=False)  # of an OpenAI-compatible server, for endpoint
    router_api_key: str | None = field(default=None, repr=False)
    router_timeout: float = ROUTER_TIMEOUT
    encoder: str | None = None  # of semantic, alone or before a large router: Hub id or path
    cascade_target: float = TARGET  # the confidence from which on semantic decides alone
    cascade_size: int = SIZE  # lessons kept
    cascade_path: Path | None = None  # of the lessons; None: beside the history
    cascade_text: bool = False  # whether a lesson holds what was asked
    fallback_route: str | None = None  # of runs whose settings name none: a route's name, or `none`
    max_new_tokens: int | None = None  # likewise; None: the provider's own limit
    sandbox: bool = False
    cache_dir: Path = Path()  # what was learnt of the Hub; may be deleted at any time
    history: str = field(default="file", repr=False)  # file, store (of the host's graph) or a PostgreSQL address
    decision_log: Path | None = None
    decision_log_text: bool = False  # whether the log holds what was asked, or its hash alone
    tracing: bool = False  # spans, for the OpenTelemetry SDK of the host
    metrics: bool = False  # counts, for Prometheus

    @classmethod
    def read(  # noqa: PLR0913 (one for each variable, all by name)
        cls,
        *,
        route_config: Path | None = None,
        output_dir: Path | None = None,
        router: str | None = None,
        router_model: str | None = None,
        router_url: str | None = None,
        fallback_route: str | None = None,
        max_new_tokens: int | None = None,
        sandbox: bool | None = None,
        history: str | None = None,
        decision_log: Path | None = None,
        decision_log_text: bool | None = None,
        variables: Mapping[str, str] = os.environ,
    ) -> "Environment":
        """Read the variables OMNI_*, named in `omni-router --help`.

        Raises:
            ConfigurationError: a value is not one of those allowed.
        """
        sandboxed = _flag("OMNI_SANDBOX", variables) if sandbox is None else sandbox
        folder = output_dir or Path(variables.get("OMNI_OUTPUT_DIR") or "outputs")
        if sandboxed or is_simulated():  # simulated models do not belong in a real history
            usual = folder / "sandbox" / "route_config.json"
        else:
            usual = Path(variables.get("OMNI_ROUTE_CONFIG") or "route_config.json")
        engine = _one_of("OMNI_ROUTER", router or variables.get("OMNI_ROUTER") or "auto", get_args(RouterName))
        return cls(
            route_config=route_config or usual,
            output_dir=folder,
            router=engine,
            router_model=router_model or variables.get("OMNI_ROUTER_MODEL") or None,
            router_prompt=_one_of(
                "OMNI_ROUTER_PROMPT", variables.get("OMNI_ROUTER_PROMPT") or "json", ("json", "trained")
            ),
            router_new_ids=_flag("OMNI_ROUTER_NEW_IDS", variables),
            router_url=_router_url(engine, (router_url or variables.get("OMNI_ROUTER_URL") or "").strip()),
            router_api_key=variables.get("OMNI_ROUTER_API_KEY", "").strip() or None,
            router_timeout=_seconds("OMNI_ROUTER_TIMEOUT", variables.get("OMNI_ROUTER_TIMEOUT") or ROUTER_TIMEOUT),
            encoder=variables.get("OMNI_ENCODER") or None,
            cascade_target=_share("OMNI_CASCADE_TARGET", variables.get("OMNI_CASCADE_TARGET") or TARGET),
            cascade_size=_count("OMNI_CASCADE_SIZE", variables.get("OMNI_CASCADE_SIZE") or SIZE),
            cascade_path=_path(variables.get("OMNI_CASCADE_PATH")),
            cascade_text=_flag("OMNI_CASCADE_TEXT", variables),
            fallback_route=fallback_route or variables.get("OMNI_FALLBACK_ROUTE", "").strip() or None,
            max_new_tokens=max_new_tokens or _optional_count("OMNI_MAX_NEW_TOKENS", variables),
            sandbox=sandboxed,
            cache_dir=Path(variables.get("OMNI_CACHE_DIR") or user_cache_path("omni-router")),
            history=_history(history or variables.get("OMNI_HISTORY") or "file"),
            decision_log=decision_log or _path(variables.get("OMNI_DECISION_LOG")),
            decision_log_text=(
                _flag("OMNI_DECISION_LOG_TEXT", variables) if decision_log_text is None else decision_log_text
            ),
            tracing=_flag("OMNI_TRACING", variables),
            metrics=_flag("OMNI_METRICS", variables),
        )


def _router_url(router: str, url: str) -> str | None:
    if router == "endpoint" and not url:
        raise ConfigurationError(
            "--router endpoint needs the address of an OpenAI-compatible server: set --router-url or OMNI_ROUTER_URL"
        )
    return url or None


def _number(name: str, value: str | float, kind: type[N], fits: Callable[[N], bool], allowed: str) -> N:
    try:
        number = kind(value)
    except ValueError:
        number = None
    if number is None or not fits(number):
        raise ConfigurationError(f"{name} must be {allowed}, not {value!r}")
    return number


def _seconds(name: str, value: str | float) -> float:
    return _number(name, value, float, lambda seconds: 0 < seconds < math.inf, "a number of seconds greater than 0")


def _share(name: str, value: str | float) -> float:
    return _number(name, value, float, lambda share: 0 <= share <= 1, "a number from 0 to 1")


def _count(name: str, value: str | int) -> int:
    return _number(name, value, int, lambda count: count >= 1, "a whole number of at least 1")


def _optional_count(name: str, variables: Mapping[str, str]) -> int | None:
    value = variables.get(name, "").strip()
    return _count(name, value) if value else None


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _history(value: str) -> str:
    if value in ("file", "store") or value.startswith(POSTGRESQL):
        return value
    # Not the value: an address that was mistyped may hold a password.
    raise ConfigurationError("OMNI_HISTORY must be file, store or postgresql://USER@HOST/DATABASE")


def _flag(name: str, variables: Mapping[str, str]) -> bool:
    value = variables.get(name, "").strip().casefold()
    if value not in TRUE + FALSE:
        raise ConfigurationError(f"{name} must be one of {', '.join(filter(None, TRUE + FALSE))}, not {value!r}")
    return value in TRUE


def _one_of(name: str, value: str, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise ConfigurationError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value
