"""The services of the nodes: live objects, one for each thing outside the graph.

This package alone reads the environment and opens things. Importing it costs little: what a service needs is imported
when the service is opened.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from omni_router.artifacts import ArtifactFolder
from omni_router.config.environment import Environment
from omni_router.config.routes import Policy
from omni_router.config.settings import Settings
from omni_router.config.spending_budget import NO_BUDGET, Budget
from omni_router.history import History
from omni_router.routers import Router

if TYPE_CHECKING:  # these import LangChain, the Hub's client or LangGraph
    from omni_router.decisions.log import DecisionSink
    from omni_router.history.spending import Ledger
    from omni_router.hub.catalog import Catalog
    from omni_router.hub.client import Inference
    from omni_router.hub.evidence import Evidence
    from omni_router.hub.requirements import Requirements
    from omni_router.hub.tokens import Token
    from omni_router.own_models.langchain_models import Specialists
    from omni_router.services.container import (
        open_catalog,
        open_decision_log,
        open_evidence,
        open_joined_catalog,
        open_observer,
        open_own_models,
    )
    from omni_router.services.history import open_history
    from omni_router.services.router import choose_router
    from omni_router.telemetry.observer import Observer

__all__ = [
    "Services",
    "choose_router",
    "lazy",
    "open_catalog",
    "open_decision_log",
    "open_evidence",
    "open_history",
    "open_joined_catalog",
    "open_observer",
    "open_own_models",
]

_HOME = {
    "choose_router": "omni_router.services.router",
    "open_catalog": "omni_router.services.container",
    "open_decision_log": "omni_router.services.container",
    "open_evidence": "omni_router.services.container",
    "open_history": "omni_router.services.history",
    "open_joined_catalog": "omni_router.services.container",
    "open_observer": "omni_router.services.container",
    "open_own_models": "omni_router.services.container",
}

Product = TypeVar("Product")


@dataclass(frozen=True)
class Services:
    """Live objects; each can be replaced by anything with the same methods."""

    router: Router
    policy: Policy
    history: History
    catalog: "Catalog"
    inference: "Inference"
    artifacts: ArtifactFolder
    decision_log: "DecisionSink | None" = None
    observer: "Observer | None" = None
    budget: Budget = NO_BUDGET
    ledger: "Ledger | None" = None  # what the day's calls have cost, for a budget of the day
    user_ledger: "Callable[[str], Ledger] | None" = None  # opens the ledger of a user of a server
    defaults: Settings = field(default_factory=Settings)  # these fill in what a run's settings leave open
    evidence: "Evidence | None" = None  # what boards say about models; None: nobody asks
    shadow_evidence: bool = False  # whether what the evidence would choose is only shown

    @classmethod
    def from_environment(
        cls,
        environment: Environment | None = None,
        *,
        token: "Token" = None,
        specialists: "Specialists | None" = None,
    ) -> "Services":
        """Open the default services of an environment; nothing is loaded or asked before it is used.

        Args:
            environment: by default the one that the variables describe.
            token: a token of Hugging Face, or a function that returns one. A function is called at each call of a
                model, in the context of the run that makes it: for users with tokens of their own.
            specialists: chat models of LangChain by the id that each is to have, such as `local/my-model`. What their
                `profile` does not say is given with an `omni_router.own_models.langchain_models.Specialist`.

        Raises:
            ConfigurationError: the environment holds a value that is not allowed, the policy file is unusable, or
                an id of `specialists` is not one.
        """
        from omni_router.services.container import from_environment

        return from_environment(environment or Environment.read(), token, specialists)

    def within(self, limits: "Iterable[Requirements]") -> "Services":
        """Return the services for requests with these limits: if those allow no model of the Hub, it is not asked.

        Then there is no evidence either, which the Hub would be asked for.
        """
        from omni_router.own_models.joined_catalog import within

        catalog = within(self.catalog, limits)
        if catalog is self.catalog:
            return self
        return replace(self, catalog=catalog, evidence=None)

    def open_ledger(self, user: str) -> "Ledger":
        """Open the ledger of what a user of a server spends in a day, by default beside the history of the environment.

        Raises:
            ConfigurationError: a package is missing, or an address cannot be read.
        """
        from omni_router.services.history import open_user_ledger

        if self.user_ledger is not None:
            return self.user_ledger(user)
        return open_user_ledger(Environment.read(), user)


def lazy(make: Callable[[], Product]) -> Callable[[], Product]:
    """Return a function that calls `make` when its product is first needed, and only once, whatever threads call it."""
    lock = threading.Lock()
    products: list[Product] = []

    def get() -> Product:
        with lock:
            if not products:
                products.append(make())
            return products[0]

    return get


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
