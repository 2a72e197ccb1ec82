"""How the server's handlers call the graph: directly, on its own threads, as the user who asks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from anyio import to_thread
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError
from omni_router.graph import OmniGraph
from omni_router.messages import user_message
from omni_router.services import Services

# A picture may have 20 MB, which are 27 in base64; the SDK's own limit is 4.
MAX_BODY = 32 * 2**20  # bytes of one request of MCP and A2A: a picture as base64, and room

Compiled = CompiledStateGraph[Any, Any, Any, Any]
Tell = Callable[[dict[str, Any]], Awaitable[None]]
TellToken = Callable[[str], Awaitable[None]]


def services_of(graph: Compiled) -> Services:
    """Return the services that a compiled graph works with; they are opened if no run has used them yet."""
    return _uncompiled(graph).services


def settings_with(graph: Compiled, **changes: Any) -> Settings:
    """Return the settings that a graph was built with, some of them changed."""
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
