"""The routers behind choices in words: those of the environment, with heads of their own."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.hub.tokens import find_token
from omni_router.routers.arch.router import ArchRouter
from omni_router.routers.choices import MAX_SETS, CascadePerSet
from omni_router.routers.protocol import ProbabilisticRouter
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services.router import choose_router

ChoosingRouter = Literal["semantic", "cascade", "arch"]

# One for all models of a process: loaded weights, and the heads of the sets of choices that were asked for.
_opened: dict[tuple[str | float | None, ...], ProbabilisticRouter] = {}
_opening = threading.Lock()
_PARAMETERS = ("router", "router_model", "router_prompt", "encoder", "encoder_precision", "cascade_target")


def choosing_router(name: str, environment: Environment | None = None) -> ProbabilisticRouter:
    """Return the router of a name for choices in words; nothing is loaded yet.

    Weights are those of the environment's routers, and are loaded once. Heads are kept apart from those of a policy,
    and in memory alone.

    Raises:
        ConfigurationError: there is no such router, or a variable has a value that is not allowed.
    """
    if name not in _ROUTERS:
        raise ConfigurationError(f"the router must be one of {', '.join(get_args(ChoosingRouter))}, not {name!r}")
    environment = environment or Environment.read()
    key = name, *map(partial(getattr, environment), _PARAMETERS)
    with _opening:
        if key not in _opened:
            _opened[key] = _ROUTERS[name](environment)
        return _opened[key]


def _semantic(environment: Environment) -> SemanticRouter:
    # A checkpoint that is named for another router is not an encoder.
    model = environment.router_model if environment.router == "semantic" else None
    router = choose_router(replace(environment, router="semantic", router_model=model))
    assert isinstance(router, SemanticRouter)  # noqa: S101 (what the table of routers says)
    return router.with_own_heads(MAX_SETS)


def _arch(environment: Environment) -> ArchRouter:
    model = environment.router_model if environment.router in ("arch", "auto", "cascade") else None
    router = choose_router(replace(environment, router="arch", router_model=model), find_token)
    assert isinstance(router, ArchRouter)  # noqa: S101 (as above)
    return router


def _cascade(environment: Environment) -> CascadePerSet:
    return CascadePerSet(_semantic(environment), _arch(environment), target=environment.cascade_target)


_ROUTERS: dict[str, Callable[[Environment], ProbabilisticRouter]] = {
    "semantic": _semantic,
    "cascade": _cascade,
    "arch": _arch,
}
