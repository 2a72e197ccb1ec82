"""Which router answers: the one asked for, or the best this machine can run."""

import logging
import threading
from collections.abc import Callable, Sequence

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers.arch.checkpoint import pick_device
from omni_router.routers.arch.router import ARCH_ROUTER, ArchRouter
from omni_router.routers.cascade.router import CascadeRouter, ClosedBook, LargeRouterAway
from omni_router.routers.protocol import Reply, RouteOption, Router, Turn
from omni_router.routers.semantic.encoder import SentenceEncoder
from omni_router.routers.semantic.router import MANNER, SemanticRouter
from omni_router.routers.semantic.vector_cache import CachedEncoder

logger = logging.getLogger("omni_router")


# Weights are loaded once per process, however many graphs use them.
_arch: dict[tuple[str, str, bool], ArchRouter] = {}
_semantic: dict[str | None, SemanticRouter] = {}
# Likewise one endpoint, with its connections and what is known of its health.
_endpoint: dict[tuple[str | float | None, ...], Router] = {}


def choose_router(
    environment: Environment, token: Callable[[], str | None] = lambda: None, *, learning: bool = True
) -> Router:
    """Make the router of an environment; nothing is loaded yet. Without learning a cascade keeps no new lessons.

    A checkpoint that is named is used: with `auto` by `arch`, with `semantic` as the encoder, with `endpoint` as the
    name the server knows, with `cascade` by its large router.

    Raises:
        ConfigurationError: the endpoint's address or key cannot be used.
    """
    if environment.router == "semantic":
        return _semantic_router(environment, environment.router_model or environment.encoder)
    semantic = _semantic_router(environment, environment.encoder)
    if environment.router == "endpoint":
        return _endpoint_router(environment, semantic)
    if environment.router == "arch":
        return _arch_router(environment, token)
    if environment.router_url:
        return _cascade(environment, semantic, _endpoint_router(environment, Nobody()), learning=learning)
    if environment.router == "auto" and environment.router_model:
        return _arch_router(environment, token)
    arch = _arch_router(environment, token)
    cascade = _cascade(environment, semantic, arch, learning=learning)
    return cascade if environment.router == "cascade" else AutoRouter(arch, semantic, cascade)


def _arch_router(environment: Environment, token: Callable[[], str | None]) -> ArchRouter:
    name, form, new_ids = (
        environment.router_model or ARCH_ROUTER,
        environment.router_prompt,
        environment.router_new_ids,
    )
    router = ArchRouter(name, prompt=form, new_ids=new_ids, token=token)
    return _arch.setdefault((name, form, new_ids), router)


def _semantic_router(environment: Environment, encoder: str | None) -> SemanticRouter:
    if encoder not in _semantic:
        embedding = SentenceEncoder(encoder, manner=MANNER)
        library = CachedEncoder(embedding, environment.cache_dir / "embeddings.sqlite")
        _semantic[encoder] = SemanticRouter(embedding, library)
    return _semantic[encoder]


def _cascade(environment: Environment, small: SemanticRouter, large: Router, *, learning: bool) -> CascadeRouter:
    from omni_router.services.history import open_lessons

    book = open_lessons(environment, lambda: small.encoder)
    book = book if learning else ClosedBook(book)
    return CascadeRouter(small, large, book, target=environment.cascade_target, keep_text=environment.cascade_text)


def _endpoint_router(environment: Environment, second: Router) -> Router:
    from omni_router.routers.endpoint.fallback import FallbackRouter
    from omni_router.routers.endpoint.router import EndpointRouter

    url, model, form = environment.router_url or "", environment.router_model or ARCH_ROUTER, environment.router_prompt
    key, timeout = environment.router_api_key, environment.router_timeout
    place = (url, model, form, key, timeout, type(second).__name__, environment.encoder)
    if place not in _endpoint:
        _endpoint[place] = FallbackRouter(EndpointRouter(url, model, prompt=form, key=key, timeout=timeout), second)
    return _endpoint[place]


class Nobody:
    """In the place of a second router where a cascade has one already."""

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:  # noqa: ARG002
        """Answer nothing.

        Raises:
            LargeRouterAway: always.
        """
        raise LargeRouterAway


class AutoRouter:
    """`cascade` where there is an accelerator and the checkpoint of `arch` loads; else `semantic`."""

    def __init__(self, arch: ArchRouter, semantic: SemanticRouter, cascade: CascadeRouter) -> None:
        self._arch, self._semantic, self._cascade = arch, semantic, cascade
        self._chosen: Router | None = None
        self._lock = threading.Lock()

    @property
    def chosen(self) -> Router | None:
        """The router that was chosen; None before the first request."""
        return self._chosen

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the chosen router."""
        with self._lock:
            if self._chosen is None:
                self._chosen, why = self._choose()
                logger.info("routing with %s", why)
        return self._chosen.reply(conversation, routes)

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Prepare the chosen router, once there is one."""
        if prepare := getattr(self._chosen, "prepare", None):
            prepare(routes)

    def _choose(self) -> tuple[Router, str]:
        if pick_device() == "cpu":
            return self._semantic, "semantic, because this machine has no accelerator (--router arch runs on a CPU too)"
        try:
            self._arch.load()
        except ConfigurationError as error:
            return self._semantic, f"semantic, because {error}"
        return self._cascade, "cascade: semantic and, where it is not sure, arch, as this machine has an accelerator"
