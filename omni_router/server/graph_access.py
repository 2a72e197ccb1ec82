"""Access to a compiled graph for the handlers: its services and settings, and the input and config of a run."""

from typing import Any

from anyio import to_thread
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from omni_router.config.settings import Settings
from omni_router.errors import BadPicture, ConfigurationError
from omni_router.messages import user_message
from omni_router.nodes._threads import OnOwnThreads
from omni_router.services import Services

# Bytes of one request of MCP and A2A. An image may have 20 MB, which are 27 in base64; the SDK's own limit is 4.
MAX_BODY = 32 * 2**20

Compiled = CompiledStateGraph[Any, Any, Any, Any]


def services_of(graph: Compiled) -> Services:
    """Return the services of a compiled graph; they are built if no node has used them yet."""
    return _a_node_of(graph).services()


def settings_with(graph: Compiled, **changes: Any) -> Settings:
    """Return the settings that a graph was built with, with changes."""
    return _a_node_of(graph).settings.model_copy(update=changes)


def _a_node_of(graph: Compiled) -> OnOwnThreads:
    node = graph.builder.nodes["route_request"].runnable
    if not isinstance(node, OnOwnThreads):
        raise ConfigurationError("this graph was not made by build_graph")
    return node


async def remote_message(text: str, image: str | None = None) -> HumanMessage:
    """Make a user's message of what came over the network: a picture there is an address, never a file of ours.

    Raises:
        InvalidRequest: there is neither text nor picture.
        BadPicture: the picture is none, or no http(s) address or data URL.
    """
    if image is not None and image.partition(":")[0].lower() not in ("http", "https", "data"):
        raise BadPicture(f"{image[:100]!r} is not the address of a picture: give an http(s) address or a data URL")
    return await to_thread.run_sync(user_message, text, image)  # a data URL is decoded


def identity_of(user: object) -> str:
    """Return the identity of an authenticated user; empty for anybody else."""
    return str(getattr(user, "identity", "")) if getattr(user, "is_authenticated", False) else ""


def config_for(identity: str) -> RunnableConfig:
    """Return a config that names the user as a run of the LangGraph server does, so that tokens are found alike."""
    return {"configurable": {"langgraph_auth_user_id": identity}} if identity else {}
