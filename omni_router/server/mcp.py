"""The graph as tools of an MCP server: `ask`, `route`, `list_routes`.

MCP's SDK may be 2.x or 1.x: many packages that are installed beside this one take 1.x alone. What the two name
differently stands at the top of this module.
"""

import json
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from anyio import to_thread
from langchain_core.messages import AIMessage, AnyMessage
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette
from starlette.routing import Route as HttpRoute
from typing_extensions import TypedDict

from omni_router.artifacts import artifact_base64, kind_of
from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.events import DecisionMade, Finished, astream
from omni_router.hints import SERVER
from omni_router.run_result import RunResult
from omni_router.server.bodies import ShapeLimit
from omni_router.server.graph_access import (
    MAX_BODY,
    Compiled,
    config_for,
    identity_of,
    remote_message,
    services_of,
    settings_with,
)
from omni_router.server.openai.memory import DecisionMemory, request_digest
from omni_router.state import Artifact

IS_1X = version("mcp").startswith("1.")

if TYPE_CHECKING or not IS_1X:
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    ToolContext = Context[Any, Any]
else:
    from mcp.server.fastmcp import Context as ToolContext
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError

INSTRUCTIONS = (
    "Ask anything: a router picks the route and a Hugging Face model, calls it, and reports what it chose and why. "
    "`list_routes` lists the routes, `route` only decides, `ask` decides and answers."
)

Prompt = Annotated[str, Field(description="The question, or a description of the image to generate, in plain words.")]
Image = Annotated[
    str | None, Field(description="An image that belongs to the prompt: an http(s) address or a data URL.")
]
Route = Annotated[str | None, Field(description="Use this route, a name from list_routes, instead of choosing one.")]
Another = Annotated[
    bool,
    Field(description="Answer a prompt again that `ask` has answered, the same words, with the next best model."),
]


# What is sent is built with the protocol's own names: the SDK's attributes have other names in 1.x and 2.x.
OPEN_WORLD = ToolAnnotations.model_validate({"readOnlyHint": False, "openWorldHint": True})
OWN_RECORD = ToolAnnotations.model_validate({"readOnlyHint": False, "openWorldHint": False})
READ_ONLY = ToolAnnotations.model_validate({"readOnlyHint": True, "openWorldHint": False})


class RouteInfo(TypedDict):
    """One route of the policy."""

    name: str
    task: str
    description: str


class Routes(TypedDict):
    """The routes of the policy."""

    routes: list[RouteInfo]


def mcp_server(graph: Compiled) -> MCPServer[Any]:
    """Return the MCP server of a compiled graph; the host chooses the transport."""
    title: dict[str, Any] = {} if IS_1X else {"title": "omni-router"}
    server: MCPServer[Any] = MCPServer("omni-router", instructions=INSTRUCTIONS, **title)
    memory = DecisionMemory()

    @server.tool(title="Ask", annotations=OPEN_WORLD)
    async def ask(
        prompt: Prompt,
        ctx: ToolContext,
        image: Image = None,
        route: Route = None,
        another: Another = False,  # noqa: FBT002 (an argument by name)
    ) -> Annotated[CallToolResult, RunResult]:
        """Route a prompt, call the model that was chosen, and return its answer, with generated files beside it."""
        overrides: dict[str, Any] = {"another": another}
        if route:
            overrides["route"] = route
        return await _run(graph, ctx, _Request(prompt, image, memory), settings_with(graph, **overrides))

    @server.tool(title="Route", annotations=OWN_RECORD)
    async def route(prompt: Prompt, ctx: ToolContext, image: Image = None) -> Annotated[CallToolResult, RunResult]:
        """Decide which route and model a prompt would go to, and why; no model is called."""
        return await _run(graph, ctx, _Request(prompt, image), settings_with(graph, skip_specialists=True))

    @server.tool(title="List routes", annotations=READ_ONLY)
    def list_routes() -> Routes:
        """List the routes a prompt may take."""
        routes = services_of(graph).policy.routes()
        return Routes(routes=[RouteInfo(name=r.name, task=r.task, description=r.description) for r in routes])

    return server


def mcp_app(graph: Compiled) -> Starlette:
    """Return an app that serves it at `/mcp`, without sessions, so that any worker may answer; enter its lifespan.

    `HostGuard` checks Host and Origin for every route alike, so the SDK's own check is off.
    """
    server = mcp_server(graph)
    options: dict[str, Any] = {
        "stateless_http": True,
        "max_request_body_size": MAX_BODY,
        "transport_security": TransportSecuritySettings(enable_dns_rebinding_protection=False),
    }
    if IS_1X:  # takes the options from the server's settings
        settings: Any = server.settings
        for name, value in options.items():
            setattr(settings, name, value)
        options = {}
    app = server.streamable_http_app(**options)
    for route in app.routes:
        if isinstance(route, HttpRoute):
            route.app = ShapeLimit(route.app, MAX_BODY)
    return app


@dataclass(frozen=True)
class _Request:
    """What a tool was called with, and where the decisions behind answers are kept: calls have no conversation."""

    prompt: str
    image: str | None
    memory: DecisionMemory | None = None  # None: nothing is answered

    async def messages(self, user: str, *, with_answer: bool) -> list[AnyMessage]:
        """Return the prompt, and if another model is asked for, a stand-in for the answer that it replaces.

        Raises:
            InvalidRequest: the prompt cannot be sent, or this process does not know of an answer to it.
        """
        messages: list[AnyMessage] = [await remote_message(self.prompt, self.image)]
        if with_answer and self.memory:
            metadata = self.memory.recall(AIMessage(""), request_digest(self._key(user)))
            if not metadata:
                raise InvalidRequest("this server knows no answer to the prompt: call `ask` without `another` first")
            messages.append(AIMessage("", response_metadata=dict(metadata)))
        return messages

    def remember(self, user: str, state: dict[str, Any]) -> None:
        """Keep the decision behind the answer that ends a state; no text is kept."""
        answer = next(reversed(state.get("messages") or [None]))
        if self.memory and isinstance(answer, AIMessage):
            self.memory.remember(AIMessage("", response_metadata=answer.response_metadata), "", self._key(user))

    def _key(self, user: str) -> str:
        return json.dumps([user, self.prompt, self.image])


async def _run(graph: Compiled, ctx: ToolContext, request: _Request, settings: Settings) -> CallToolResult:
    user = identity_of(getattr(ctx.request_context.request, "scope", {}).get("user"))
    state: dict[str, Any] = {}
    try:
        messages = await request.messages(user, with_answer=settings.another)
        run = astream(graph, {"messages": messages}, config_for(user), context=settings, tokens=False)
        async with aclosing(run) as events:
            async for event in events:
                if isinstance(event, DecisionMade):
                    await ctx.report_progress(
                        0.5, 1.0, _decision_text(RunResult.from_state({"decision": event.decision}))
                    )
                elif isinstance(event, Finished):
                    state = event.state
    except OmniRouterError as error:
        raise ToolError(str(error)) from error
    request.remember(user, state)
    return await to_thread.run_sync(_tool_result, state)


def _tool_result(state: dict[str, Any]) -> CallToolResult:
    """Return the answer, the explanation or the decision as text, with files beside it, and the result as JSON."""
    result = RunResult.from_state(state)
    public = result.redact_paths().for_audience(SERVER)
    text = public.text(state)
    if not result.attempts and not result.error:  # only routed
        text = _decision_text(result)
    content = [{"type": "text", "text": text}, *map(_block, result.artifacts)]
    return CallToolResult.model_validate(
        {"content": content, "structuredContent": public.as_json(), "isError": result.error is not None}
    )


def _decision_text(result: RunResult) -> str:
    return f"{result.route}: {result.model} ({result.reason})"


def _block(artifact: Artifact) -> dict[str, Any]:
    """Return a file as MCP's content of its kind, or as an embedded resource where there is none."""
    kind, data, mime_type = kind_of(artifact), artifact_base64(artifact), artifact["mime_type"]
    if kind in ("image", "audio"):
        return {"type": kind, "data": data, "mimeType": mime_type}
    uri = f"file:///{quote(Path(artifact['path']).name)}"  # its name alone: the folder is not for clients
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "blob": data}}
