"""Find the decision model that the environment names: an object of a Python module, or a service at an address."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, missing_package

if TYPE_CHECKING:
    from omni_router.routers.decision.router import DecisionRouter

SCHEMES = ("http://", "https://")
FORMS = "MODULE:NAME of a decision model in Python, or the http(s) address of a server with /v1/decisions"


def open_decision_router(environment: Environment) -> "DecisionRouter":
    """Return the router of the decision model that an environment names; nothing is asked yet.

    Raises:
        ConfigurationError: it names none, or what it names cannot be used.
    """
    from omni_router.routers.decision.client import DEFAULT_MODEL, DecisionClient
    from omni_router.routers.decision.router import DecisionRouter

    url, name = environment.router_url, environment.router_model
    if name is not None and name.lower().startswith(SCHEMES):
        url, name = name, None
    if url is None:
        return DecisionRouter(import_decision_model(name or ""))
    service = DecisionClient(
        url, name or DEFAULT_MODEL, key=environment.router_api_key, timeout=environment.router_timeout
    )
    return DecisionRouter(service)


def import_decision_model(path: str) -> Any:
    """Return the decision model of LangChain that a path like `my_package.models:triage` names.

    What the path names may be the model, or a class or function that makes one without arguments.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        from langchain_core.decisions import BaseDecisionModel
    except ImportError as error:
        raise missing_package("--router decision needs langchain-core 1.8", "agents") from error
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise ConfigurationError(f"--router-model (OMNI_ROUTER_MODEL) is {path!r}; --router decision needs {FORMS}")
    try:
        value = getattr(import_module(module), name)
        if not isinstance(value, BaseDecisionModel) and callable(value):
            value = value()
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the decision model {path!r} cannot be imported ({type(error).__name__}: {error}); modules are looked for "
            "in PYTHONPATH and in what is installed"
        ) from error
    if not isinstance(value, BaseDecisionModel):
        raise ConfigurationError(f"{path!r} is a {type(value).__name__}, not a decision model of LangChain")
    return value
