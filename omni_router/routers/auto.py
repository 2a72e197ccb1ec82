"""The `auto` router: the best router that this machine can run."""

import logging
import threading
from collections.abc import Callable, Sequence

from omni_router.errors import ConfigurationError
from omni_router.routers.arch.checkpoint import pick_device
from omni_router.routers.protocol import BaseRouter, ComparingRouter, Reply, RouteOption, Router, Turn, preparable

logger = logging.getLogger("omni_router")

NO_ACCELERATOR = "this machine has no accelerator (--router arch runs on a CPU too)"


class AutoRouter(BaseRouter):
    """A cascade where there is an accelerator and the checkpoint of its teacher loads; else the embedded router."""

    def __init__(
        self, teacher: Router, semantic: Router, cascade: Router, *, device: Callable[[], str] = pick_device
    ) -> None:
        """Keep the routers; none is loaded yet.

        Args:
            teacher: the router that the cascade asks, loaded before the cascade is chosen.
            semantic: answers where the cascade cannot run.
            cascade: answers where it can.
            device: names the best device of this machine, `cpu` where it has no accelerator; it raises
                ConfigurationError where torch is not installed.
        """
        self._teacher, self._semantic, self._cascade = teacher, semantic, cascade
        self._device = device
        self._chosen: Router | None = None
        self._lock = threading.Lock()

    @property
    def chosen(self) -> Router | None:
        """The router that was chosen; None before the first request."""
        return self._chosen

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the chosen router; the first request chooses it.

        Raises:
            ConfigurationError: the chosen router cannot be loaded.
        """
        with self._lock:
            if self._chosen is None:
                self._chosen, reason = self._choose()
                logger.info("routing with %s", reason)
        return self._chosen.reply(conversation, routes)

    def likeness(self, first: str, second: str) -> float | None:
        """Return how alike two texts are to the chosen router; None if it does not compare, or none is chosen yet.

        Raises:
            ConfigurationError: it cannot be loaded.
        """
        if isinstance(self._chosen, ComparingRouter):
            return self._chosen.likeness(first, second)
        return None

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Prepare the chosen router, once there is one."""
        if self._chosen is not None:
            preparable(self._chosen).prepare(routes)

    def _choose(self) -> tuple[Router, str]:
        try:
            if self._device() == "cpu":
                return self._semantic, f"semantic, because {NO_ACCELERATOR}"
            preparable(self._teacher).load()
        except ConfigurationError as error:
            return self._semantic, f"semantic, because {error}"
        return self._cascade, "cascade: semantic and, when it is unsure, arch, as this machine has an accelerator"
