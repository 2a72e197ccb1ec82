"""How the server's handlers call the graph: directly, on its own threads, as the user who asks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from anyio import to_thread
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from omni_router.config.settings import Settings
from omni_router.errors import BadPicture, ConfigurationError
from omni_router.messages import user_message
from omni_router.nodes._threads import OnOwnThreads
from omni_router.services import Services

# A picture may have 20 MB, which are 27 in base64; the SDK's own limit is 4.
MAX_BODY = 32 * 2**20  # bytes of one request of MCP and A2A: a picture as base64, and room

Compiled = CompiledStateGraph[Any, Any, Any, Any]
Tell = Callable[[dict[str, Any]], Awaitable[None]]
TellToken = Callable[[str], Awaitable[None]]


def services_of(graph: Compiled) -> Services:
    """Give the services that a compiled graph works with, and make them if nobody did."""
    return _a_node_of(graph).services()


def settings_with(graph: Compiled, **changes: Any) -> Settings:
    """Give the settings that a graph was built with, some of them changed."""
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
    """Name the user of a request, as the server's authentication has it; nobody is the empty text."""
    return str(getattr(user, "identity", "")) if getattr(user, "is_authenticated", False) else ""


def config_for(identity: str) -> RunnableConfig:
    """Say who asks, where a run of the LangGraph server has it too, so that one look-up of tokens serves both."""
    return {"configurable": {"langgraph_auth_user_id": identity}} if identity else {}


async def call_graph(  # noqa: PLR0913 (the last three by name)
    graph: Compiled,
    messages: list[AnyMessage],
    settings: Settings,
    *,
    config: RunnableConfig | None = None,
    tell: Tell | None = None,
    tell_token: TellToken | None = None,
) -> dict[str, Any]:
    """Run the graph, pass on its events and tokens as they come, and give its output.

    Raises:
        OmniRouterError: there is nothing to answer, or something to correct first.
    """
    result: dict[str, Any] = {}
    modes: Any = ["custom", "messages", "values"] if tell_token else ["custom", "values"]
    parts: AsyncIterator[Any] = graph.astream({"messages": messages}, config, context=settings, stream_mode=modes)
    async for mode, part in parts:
        if mode == "values":
            result = part
        elif mode == "custom" and tell:
            await tell(part)
        elif mode == "messages" and tell_token and (token := _token(part)):
            await tell_token(token)
    return result


def _token(part: Any) -> str | None:
    """Take the text of a token; a whole message, such as an explanation, is part of the output anyway."""
    message, _ = part
    return str(message.text) if message.type == "AIMessageChunk" and message.text else None
