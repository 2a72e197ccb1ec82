"""Open the services that an environment describes."""

from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING

from omni_router.artifacts import ArtifactFolder
from omni_router.config.environment import Environment, read_variable
from omni_router.config.route_file import RouteFile
from omni_router.config.settings import Settings, fallback_route
from omni_router.decisions.log import DecisionLog
from omni_router.errors import ConfigurationError
from omni_router.hub.tokens import Token, find_token
from omni_router.services import Services
from omni_router.simulation import is_simulated

# The fields of Settings that have a variable, which holds where a run leaves them open.
DEFAULTS = ("fallback_route", "max_new_tokens", "reasoning_effort", "prefer", "bill_to")

if TYPE_CHECKING:
    from omni_router.hub.catalog import HubCatalog
    from omni_router.hub.evidence import HubEvidence
    from omni_router.own_models.joined_catalog import JoinedCatalog
    from omni_router.own_models.langchain_models import Specialist, Specialists
    from omni_router.own_models.specialists import Declared, OwnModels
    from omni_router.telemetry.observer import Observer


def from_environment(environment: Environment, token: Token, specialists: "Specialists | None" = None) -> Services:
    """Open the default services; nothing is loaded or asked before it is used.

    Raises:
        ConfigurationError: the environment holds a value that is not allowed, or the policy file is unusable.
    """
    from omni_router.hub.client import HubInference
    from omni_router.own_models.joined_catalog import JoinedCatalog
    from omni_router.own_models.joined_inference import JoinedInference
    from omni_router.services.history import open_history, open_ledger, open_user_ledger
    from omni_router.services.router import choose_router

    hub = open_catalog(environment, token)
    file = RouteFile(environment.route_config, environment.limits())
    defaults = Settings(**{name: getattr(environment, name) for name in DEFAULTS})
    fallback_route(defaults, file.routes())  # reports faults here or in the policy now, not in mid-run
    own = open_own_models(environment, file.providers, specialists)
    decision_log: DecisionLog | None = None
    if environment.decision_log:
        decision_log = open_decision_log(environment)
    return Services(
        router=choose_router(environment, token=lambda: find_token(token)),
        policy=file,
        history=open_history(environment, file),
        catalog=JoinedCatalog(hub, own),
        inference=JoinedInference(HubInference(token, hub=hub, context_length=hub.context_length), own),
        artifacts=ArtifactFolder(Path(environment.output_dir)),
        decision_log=decision_log,
        observer=open_observer(environment),
        budget=environment.budget,
        ledger=open_ledger(environment),
        user_ledger=partial(open_user_ledger, environment),
        defaults=defaults,
        evidence=open_evidence(environment),
        shadow_evidence=environment.evidence == "shadow",
    )


def open_catalog(environment: Environment, token: Token) -> "HubCatalog":
    """Open the catalog of an environment, which keeps its answers on disk; install the sandbox if it is to be used."""
    from omni_router.hub.catalog import HubCatalog
    from omni_router.storage.sqlite import DiskCache

    if environment.sandbox and not is_simulated():
        from omni_router._sandbox import install

        install()
    return HubCatalog(lambda: find_token(token), DiskCache(environment.cache_dir / "catalog.sqlite"))


def open_own_models(
    environment: Environment, declared: "Declared", specialists: "Specialists | None" = None
) -> "OwnModels":
    """Open the models of one's own.

    Args:
        environment: where lists are kept.
        declared: returns the providers of the policy, which may change.
        specialists: chat models of LangChain, by id.

    Raises:
        ConfigurationError: an id of `specialists` is not one, or its value is not a chat model.
    """
    from omni_router.own_models.specialists import OwnModels
    from omni_router.storage.sqlite import DiskCache

    chat_models: dict[str, Specialist] = {}
    if specialists:
        from omni_router.own_models.langchain_models import read_specialists

        chat_models = read_specialists(specialists)
    return OwnModels(declared, chat_models, DiskCache(environment.cache_dir / "catalog.sqlite"))


def open_joined_catalog(environment: Environment, token: Token, declared: "Declared") -> "JoinedCatalog":
    """Open the Hub's catalog with the models of the providers that `declared` returns."""
    from omni_router.own_models.joined_catalog import JoinedCatalog

    return JoinedCatalog(open_catalog(environment, token), open_own_models(environment, declared))


def open_evidence(environment: Environment) -> "HubEvidence | None":
    """Open what is published about models, which is kept on disk; None if it is switched off."""
    from omni_router.hub.evidence import HubEvidence
    from omni_router.storage.sqlite import DiskCache

    if environment.evidence == "off":
        return None
    return HubEvidence(DiskCache(environment.cache_dir / "evidence.sqlite"))


def open_decision_log(environment: Environment) -> DecisionLog:
    """Open the decision log of an environment.

    Raises:
        ConfigurationError: no log is kept.
    """
    if environment.decision_log is None:
        raise ConfigurationError(
            "there is no decision log: --decision-log PATH or OMNI_DECISION_LOG starts one for later decisions"
        )
    return DecisionLog(environment.decision_log, with_text=environment.decision_log_text)


def open_observer(environment: Environment) -> "Observer | None":
    """Open what watches the runs, as `OMNI_TRACING` and `OMNI_METRICS` say; None if neither is switched on.

    Raises:
        ConfigurationError: a package is missing.
    """
    from omni_router.telemetry.observer import CompositeObserver

    observers: list[Observer] = []
    if environment.tracing:
        from omni_router.telemetry.tracing import Tracing

        observers.append(Tracing())
    if environment.metrics:
        from omni_router.telemetry.metrics import process_metrics

        observers.append(process_metrics())
    if not observers:
        return None
    return reduce(CompositeObserver, observers)


def thread_count() -> int:
    """Return how many blocking calls may run at once under asynchronous hosts (OMNI_THREADS).

    Raises:
        ConfigurationError: the variable's value is not allowed.
    """
    return int(read_variable("OMNI_THREADS"))
