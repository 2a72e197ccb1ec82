"""Which router answers: the one asked for, or the best this machine can run."""

import logging
import threading
from collections.abc import Callable, Sequence

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers.arch import ARCH_ROUTER, ArchRouter
from omni_router.routers.checkpoint import pick_device
from omni_router.routers.encoder import SentenceEncoder
from omni_router.routers.protocol import OfferedRoute, Reply, Router, Turn
from omni_router.routers.semantic import SemanticRouter

logger = logging.getLogger("omni_router")


# Weights are loaded once per process, however many graphs use them.
_arch: dict[tuple[str, str, bool], ArchRouter] = {}
_semantic: dict[str | None, SemanticRouter] = {}
# Likewise one endpoint, with its connections and what is known of its health.
_endpoint: dict[tuple[str | float | None, ...], Router] = {}


def choose_router(environment: Environment, token: Callable[[], str | None] = lambda: None) -> Router:
    """Make the router of an environment; nothing is loaded yet.

    A checkpoint that is named is used: with `auto` by `arch`, with `semantic` as the encoder, with `endpoint` as the
    name the server knows.

    Raises:
        ConfigurationError: the endpoint's address or key cannot be used.
    """

    def arch() -> ArchRouter:
        name, form, new_ids = (
            environment.router_model or ARCH_ROUTER,
            environment.router_prompt,
            environment.router_new_ids,
        )
        router = ArchRouter(name, prompt=form, new_ids=new_ids, token=token)
        return _arch.setdefault((name, form, new_ids), router)

    def semantic(name: str | None = environment.router_model) -> SemanticRouter:
        return _semantic.setdefault(name, SemanticRouter(SentenceEncoder(name)))

    if environment.router == "endpoint":
        return _endpoint_router(environment, semantic(None))
    if environment.router == "arch" or (environment.router == "auto" and environment.router_model):
        return arch()
    return semantic() if environment.router == "semantic" else AutoRouter(arch(), semantic())


def _endpoint_router(environment: Environment, second: Router) -> Router:
    from omni_router.routers.endpoint import EndpointRouter
    from omni_router.routers.fallback import FallbackRouter

    url, model, form = environment.router_url or "", environment.router_model or ARCH_ROUTER, environment.router_prompt
    key, timeout = environment.router_api_key, environment.router_timeout
    place = (url, model, form, key, timeout)
    if place not in _endpoint:
        _endpoint[place] = FallbackRouter(EndpointRouter(url, model, prompt=form, key=key, timeout=timeout), second)
    return _endpoint[place]


class AutoRouter:
    """`arch` where there is an accelerator and its checkpoint loads, else `semantic`; decided on first use."""

    def __init__(self, arch: ArchRouter, semantic: SemanticRouter) -> None:
        self._arch, self._semantic = arch, semantic
        self._chosen: Router | None = None
        self._lock = threading.Lock()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[OfferedRoute]) -> Reply:
        """Answer with the chosen router."""
        with self._lock:
            if self._chosen is None:
                self._chosen, why = self._choose()
                logger.info("routing with %s", why)
        return self._chosen.reply(conversation, routes)

    def _choose(self) -> tuple[Router, str]:
        if pick_device() == "cpu":
            return self._semantic, "semantic, because this machine has no accelerator (--router arch runs on a CPU too)"
        try:
            self._arch.load()
        except ConfigurationError as error:
            return self._semantic, f"semantic, because {error}"
        return self._arch, "arch, because this machine has an accelerator and the checkpoint loads"
