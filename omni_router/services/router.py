"""The table of routers: which router answers, with the parameters that the environment has for it.

To add a router, write one module in `omni_router/routers/` and add one entry to `ROUTERS`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers.arch.checkpoint import pick_device
from omni_router.routers.arch.router import ARCH_ROUTER, ArchRouter
from omni_router.routers.auto import AutoRouter
from omni_router.routers.cascade.labels import LabelStore, ReadOnlyLabelStore
from omni_router.routers.cascade.router import CascadeRouter
from omni_router.routers.cascade.teacher import NullRouter
from omni_router.routers.protocol import Router
from omni_router.routers.semantic.encoder import Encoder
from omni_router.routers.semantic.head_file import HeadFile
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import MultilingualRouter, is_installed, other_languages
from omni_router.routers.semantic.router import MIDDLE_LAYER_WEIGHT, SemanticRouter
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.routers.semantic.shipped_vectors import ENGLISH, FOLDER, LANGUAGES, OTHERS, ShippedVectors
from omni_router.routers.semantic.vector_cache import CachedEncoder

Token = Callable[[], str | None]

# Weights are loaded once per process, however many graphs use them.
_arch: dict[tuple[str, str, bool], ArchRouter] = {}
_semantic: dict[tuple[str | None, str], SemanticRouter] = {}
# One endpoint per process too, with its connections and its circuit breaker.
_endpoint: dict[tuple[str | float | None, ...], Router] = {}
# What a decision model and the router beside it are opened from.
_DECISION = ("router_url", "router_model", "router_api_key", "router_timeout", "encoder", "encoder_precision")


class RouterContext(NamedTuple):
    """The parameters that a router may be built from."""

    environment: Environment
    token: Token  # returns a token of Hugging Face, when a checkpoint is loaded
    learning: bool  # whether a cascade may keep new teacher labels


def choose_router(environment: Environment, token: Token = lambda: None, *, learning: bool = True) -> Router:
    """Return the router of an environment; nothing is loaded yet. Without `learning` a cascade keeps no new labels.

    A checkpoint that is named is used: with `auto` by `arch`, with `semantic` as the encoder, with `endpoint` as the
    name the server knows, with `cascade` by its teacher. With `decision` it names the decision model.

    Raises:
        ConfigurationError: no router has this name, or an address, a key or a decision model cannot be used.
    """
    if environment.router not in ROUTERS:
        raise ConfigurationError(f"OMNI_ROUTER must be one of {', '.join(ROUTERS)}, not {environment.router!r}")
    return ROUTERS[environment.router](RouterContext(environment, token, learning))


def _auto_router(context: RouterContext) -> Router:
    if context.environment.router_url:
        return _cascade_router(context)
    arch = _arch_router(context)
    if context.environment.router_model:
        return arch
    semantic = _embedded_router(context.environment, context.environment.encoder)
    return AutoRouter(arch, semantic, _cascade_router(context), device=pick_device)


def _arch_router(context: RouterContext) -> Router:
    environment = context.environment
    model = environment.router_model or ARCH_ROUTER
    prompt, new_ids = environment.router_prompt, environment.router_new_ids
    router = ArchRouter(model, prompt=prompt, new_ids=new_ids, token=context.token)
    return _arch.setdefault((model, prompt, new_ids), router)


def _semantic_router(context: RouterContext) -> Router:
    environment = context.environment
    return _embedded_router(environment, environment.router_model or environment.encoder)


def _endpoint_router(context: RouterContext) -> Router:
    return _endpoint_with(context.environment, _embedded_router(context.environment, context.environment.encoder))


def _decision_router(context: RouterContext) -> Router:
    """Return the decision model of an environment, with the embedded router for when it fails."""
    from omni_router.routers.endpoint.fallback import FallbackRouter
    from omni_router.services.decision_models import open_decision_router

    environment = context.environment
    place = ("decision", *map(partial(getattr, environment), _DECISION))
    if place not in _endpoint:
        second = _embedded_router(environment, environment.encoder)
        _endpoint[place] = FallbackRouter(open_decision_router(environment), second)
    return _endpoint[place]


def _cascade_router(context: RouterContext) -> Router:
    environment = context.environment
    student = _embedded_router(environment, environment.encoder)
    teacher, store = _teacher(context), _label_store(context, student)
    return CascadeRouter(student, teacher, store, target=environment.cascade_target, keep_text=environment.cascade_text)


def _teacher(context: RouterContext) -> Router:
    if context.environment.router_url:
        return _endpoint_with(context.environment, NullRouter())
    return _arch_router(context)


def _embedded_router(environment: Environment, encoder: str | None) -> SemanticRouter:
    key = encoder, environment.encoder_precision
    if key not in _semantic:
        embedding = SentenceEncoder(
            encoder, middle_layer_weight=MIDDLE_LAYER_WEIGHT, precision=environment.encoder_precision
        )
        library, heads = _library(environment, embedding, ENGLISH), _head_file(environment)
        if encoder or not is_installed():  # an encoder that is named reads all languages
            _semantic[key] = SemanticRouter(embedding, library, heads)
        else:
            others = _other_languages(environment)
            _semantic[key] = MultilingualRouter(embedding, library, heads, others=others, languages=LANGUAGES)
    return _semantic[key]


def _other_languages(environment: Environment) -> SemanticRouter:
    """Return the router for requests that are not in English; nothing is loaded yet."""
    embedding = MultilingualEncoder()
    return other_languages(embedding, _library(environment, embedding, OTHERS), _head_file(environment))


def _library(environment: Environment, encoder: Encoder, name: str) -> Encoder:
    """Return what embeds the texts of a policy: what is shipped under a name, what is on disk, then the encoder."""
    return ShippedVectors(CachedEncoder(encoder, environment.cache_dir / "embeddings.sqlite"), name)


def _head_file(environment: Environment) -> HeadFile:
    return HeadFile(environment.cache_dir / "heads.sqlite", FOLDER)


def _endpoint_with(environment: Environment, second: Router) -> Router:
    """Return the endpoint of an environment, with the router that answers while the endpoint cannot."""
    from omni_router.routers.endpoint.fallback import FallbackRouter
    from omni_router.routers.endpoint.router import EndpointRouter

    url, model, prompt = (
        environment.router_url or "",
        environment.router_model or ARCH_ROUTER,
        environment.router_prompt,
    )
    key, timeout = environment.router_api_key, environment.router_timeout
    encoder = environment.encoder, environment.encoder_precision
    place = (url, model, prompt, key, timeout, type(second).__name__, *encoder)
    if place not in _endpoint:
        endpoint = EndpointRouter(url, model, prompt=prompt, key=key, timeout=timeout)
        _endpoint[place] = FallbackRouter(endpoint, second)
    return _endpoint[place]


def _label_store(context: RouterContext, student: SemanticRouter) -> LabelStore:
    from omni_router.services.history import open_label_store

    store = open_label_store(context.environment, lambda: student.encoder_name)
    if context.learning:
        return store
    return ReadOnlyLabelStore(store)


ROUTERS: dict[str, Callable[[RouterContext], Router]] = {
    "auto": _auto_router,
    "arch": _arch_router,
    "semantic": _semantic_router,
    "endpoint": _endpoint_router,
    "decision": _decision_router,
    "cascade": _cascade_router,
}
