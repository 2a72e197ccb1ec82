"""What the nodes work with: live objects, one for each thing outside the graph."""

from dataclasses import dataclass, field
from pathlib import Path

from omni_router import _sandbox
from omni_router.artifacts import ArtifactFolder
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Policy
from omni_router.config.settings import Settings
from omni_router.decisions.log import DecisionLog
from omni_router.history import History
from omni_router.hub.catalog import Catalog, HubCatalog
from omni_router.hub.client import HubInference, Inference, Token, find_token
from omni_router.hub.disk_cache import DiskCache
from omni_router.routers import Router
from omni_router.selection.routes import fallback_route
from omni_router.services.history import open_history
from omni_router.services.telemetry import open_observer
from omni_router.telemetry.observer import Observer


@dataclass(frozen=True)
class Services:
    """Live objects; each can be replaced by anything with the same methods."""

    router: Router
    policy: Policy
    history: History
    catalog: Catalog
    inference: Inference
    artifacts: ArtifactFolder
    decision_log: DecisionLog | None = None
    observer: Observer | None = None
    defaults: Settings = field(default_factory=Settings)  # what a run's settings leave open is taken from these

    @classmethod
    def from_environment(cls, environment: Environment | None = None, *, token: Token = None) -> "Services":
        """Make the default ones: nothing is loaded or asked before it is used.

        A function as `token` is asked at each call, in the context of the run that makes it: for users with their own.

        Raises:
            ConfigurationError: the environment holds a value that is not allowed, or the policy file is unusable.
        """
        from omni_router.services.router import choose_router

        environment = environment or Environment.read()
        catalog = open_catalog(environment, token)
        file = RouteFile(environment.route_config)
        defaults = Settings(fallback_route=environment.fallback_route, max_new_tokens=environment.max_new_tokens)
        fallback_route(defaults, file.routes())  # what is wrong here or in the policy is said now, not in mid-run
        return cls(
            router=choose_router(environment, token=lambda: find_token(token)),
            policy=file,
            history=open_history(environment, file),
            catalog=catalog,
            inference=HubInference(token, hub=catalog),
            artifacts=ArtifactFolder(Path(environment.output_dir)),
            decision_log=(
                DecisionLog(environment.decision_log, with_text=environment.decision_log_text)
                if environment.decision_log
                else None
            ),
            observer=open_observer(environment),
            defaults=defaults,
        )


def open_catalog(environment: Environment, token: Token) -> HubCatalog:
    """Make the catalog of an environment, which keeps what it learns on disk; a sandbox is put in place if wanted."""
    if environment.sandbox and not _sandbox.active():
        _sandbox.install()
    return HubCatalog(lambda: find_token(token), DiskCache(environment.cache_dir / "catalog.sqlite"))
