"""Routes that report whether the process is alive, and whether its router is loaded."""

import logging
import threading
import time
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from omni_router.errors import OmniRouterError
from omni_router.routers import Router
from omni_router.routers.auto import AutoRouter
from omni_router.routers.endpoint.fallback import FallbackRouter
from omni_router.selection.warm_up import warm_up
from omni_router.server.graph_access import Compiled, services_of
from omni_router.simulation import is_simulated

logger = logging.getLogger("omni_router")

PARTS = {"multilingual": "semantic"}  # a class behind a router that has another name

RETRY = 10.0  # seconds after a failed load: a checkpoint that could not be fetched may be there by then


class Readiness:
    """Loads a graph's router in the background, and holds the state of that."""

    def __init__(self, graph: Compiled) -> None:
        self._graph = graph
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed_at: float | None = None
        self.ready = False
        self.router: str | None = None
        self.sandbox: bool | None = None  # None: not known yet
        self.fails: str | None = None

    def start(self) -> None:
        """Start to load, unless that is done, under way, or has just failed."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            failed_lately = self._failed_at is not None and time.monotonic() - self._failed_at < RETRY
            if self.ready or busy or failed_lately:
                return
            self._thread = threading.Thread(target=self._load, name="omni-router-ready", daemon=True)
            self._thread.start()

    def _load(self) -> None:
        try:
            services = services_of(self._graph)
            self.sandbox = is_simulated()
            self.router = name_of(services.router)
            warm_up(services)
            self.router = name_of(services.router)
        except OmniRouterError as error:
            self._fail(str(error))
        except Exception as error:  # runs survive a router that fails, but it is not ready
            logger.exception("the router could not be loaded")
            self._fail(f"the router failed with {type(error).__name__}; the log says more")
        else:
            self.ready, self.fails = True, None

    def _fail(self, reason: str) -> None:
        self.fails, self._failed_at = reason, time.monotonic()


def name_of(router: Router) -> str:
    """Return the name of a router in OMNI_ROUTER; for `auto`, that of the router that it chose."""
    chosen: Router = router
    if isinstance(router, AutoRouter) and router.chosen is not None:
        chosen = router.chosen
    if isinstance(chosen, FallbackRouter):
        chosen = chosen.first
    name = type(chosen).__name__.removesuffix("Router").casefold()
    return PARTS.get(name, name)


readiness_of = lru_cache(maxsize=16)(Readiness)


def health_routes(graph: Compiled) -> list[BaseRoute]:
    """Return `/omni/health`, which answers while the process is alive, and `/omni/ready`, which is 503 at first.

    That is 200 once the router is loaded. Call `readiness_of(graph).start()` to load it at the start; otherwise the
    first request to `/omni/ready` does.
    """
    readiness = readiness_of(graph)

    async def health(request: Request) -> JSONResponse:  # noqa: ARG001 (Starlette's)
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> JSONResponse:  # noqa: ARG001 (Starlette's)
        readiness.start()
        state = {
            "ready": readiness.ready,
            "router": readiness.router,
            "sandbox": readiness.sandbox,
            "fails": readiness.fails,
        }
        return JSONResponse(state, 200 if readiness.ready else 503)

    return [Route("/omni/health", health), Route("/omni/ready", ready)]
