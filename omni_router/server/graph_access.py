"""Access to a compiled graph for the handlers: its services and settings, and the input and config of a run."""

from functools import partial
from typing import Any

from anyio import to_thread
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError
from omni_router.graph import OmniGraph
from omni_router.messages import user_message
from omni_router.services import Services

# Bytes of one request of MCP and A2A. An image may have 20 MB, which are 27 in base64; the SDK's own limit is 4.
MAX_BODY = 32 * 2**20

Compiled = CompiledStateGraph[Any, Any, Any, Any]


def services_of(graph: Compiled) -> Services:
    """Return the services of a compiled graph; they are opened if no run has used them yet."""
    return _uncompiled(graph).services


def settings_with(graph: Compiled, **changes: Any) -> Settings:
    """Return the settings that a graph was built with, with changes."""
    return _uncompiled(graph).settings.model_copy(update=changes)


def _uncompiled(graph: Compiled) -> OmniGraph:
    if not isinstance(graph.builder, OmniGraph):
        raise ConfigurationError("this graph was not made by build_graph")
    return graph.builder


async def remote_message(text: str, image: str | None = None) -> HumanMessage:
    """Build a user's message from what came over the network, in a thread, since a data URL is decoded.

    Raises:
        InvalidRequest: there is neither text nor image.
        BadImage: the image is not readable, or neither an http(s) address nor a data URL.
    """
    return await to_thread.run_sync(partial(user_message, text, image, local_files=False))


def identity_of(user: object) -> str:
    """Return the identity of an authenticated user; empty for anybody else."""
    if not getattr(user, "is_authenticated", False):
        return ""
    return str(getattr(user, "identity", ""))


def config_for(identity: str) -> RunnableConfig:
    """Return a config that names the user as a run of the LangGraph server does, so that tokens are found alike."""
    if not identity:
        return {}
    return {"configurable": {"langgraph_auth_user_id": identity}}
