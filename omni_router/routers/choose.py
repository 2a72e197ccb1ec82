"""Which router answers: the one asked for, or the best this machine can run."""

import logging
import threading
from collections.abc import Callable, Sequence

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers.arch import ARCH_ROUTER, ArchRouter
from omni_router.routers.protocol import OfferedRoute, Reply, Router, Turn
from omni_router.routers.semantic import SemanticRouter

logger = logging.getLogger("omni_router")


def choose_router(environment: Environment, token: Callable[[], str | None] = lambda: None) -> Router:
    """Make the router of an environment; nothing is loaded yet."""

    def arch() -> ArchRouter:
        return ArchRouter(environment.router_model or ARCH_ROUTER, prompt=environment.router_prompt, token=token)

    if environment.router == "auto":
        return AutoRouter(arch(), SemanticRouter())
    return arch() if environment.router == "arch" else SemanticRouter()


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
        if not has_accelerator():
            return self._semantic, "semantic, because this machine has no accelerator (--router arch runs on a CPU too)"
        try:
            self._arch.load()
        except ConfigurationError as error:
            return self._semantic, f"semantic, because {error}"
        return self._arch, "arch, because this machine has an accelerator and the checkpoint loads"


def has_accelerator() -> bool:
    """Tell whether torch finds anything faster than the CPU."""
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()
