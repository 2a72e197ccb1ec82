"""Pick the right Hugging Face model for each prompt, call it, and remember what worked.

The names below are the whole public surface. They are imported when first used: LangGraph alone costs a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omni_router import errors
    from omni_router._sandbox import sandbox
    from omni_router._version import __version__
    from omni_router.agents.chat_model import ChatOmni
    from omni_router.agents.decisions import OmniDecisions
    from omni_router.agents.tool import omni_tool
    from omni_router.config.settings import Settings
    from omni_router.decisions.feedback import give_feedback
    from omni_router.graph import build_graph
    from omni_router.messages import user_message
    from omni_router.services import Services
    from omni_router.state import Decision

__all__ = [
    "ChatOmni",
    "Decision",
    "OmniDecisions",
    "Services",
    "Settings",
    "__version__",
    "build_graph",
    "errors",
    "give_feedback",
    "omni_tool",
    "sandbox",
    "user_message",
]

_HOME = {
    "ChatOmni": "omni_router.agents.chat_model",
    "Decision": "omni_router.state",
    "OmniDecisions": "omni_router.agents.decisions",
    "Services": "omni_router.services",
    "Settings": "omni_router.config.settings",
    "__version__": "omni_router._version",
    "build_graph": "omni_router.graph",
    "give_feedback": "omni_router.decisions.feedback",
    "omni_tool": "omni_router.agents.tool",
    "sandbox": "omni_router._sandbox",
    "user_message": "omni_router.messages",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("omni_router.errors")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
