"""The graph as tools of an MCP server: `ask`, `route`, `list_routes`."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from anyio import to_thread
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette
from starlette.routing import Route as HttpRoute
from typing_extensions import TypedDict

from omni_router.artifacts import Artifact, artifact_base64, kind_of
from omni_router.config.settings import Settings
from omni_router.errors import OmniRouterError
from omni_router.events import Summary, explanation, for_the_network, summarize
from omni_router.server.graph_access import (
    MAX_BODY,
    Compiled,
    call_graph,
    config_for,
    identity_of,
    remote_message,
    services_of,
    settings_with,
)
from omni_router.server.json_shape import ShapeLimit
from omni_router.server.mcp_sdk import MCPServer, ToolContext, ToolError, new_server, stateless_app

INSTRUCTIONS = (
    "Ask anything: a router picks the route and a Hugging Face model, calls it, and tells what it chose and why. "
    "`list_routes` says what there is, `route` only decides, `ask` decides and answers."
)

Prompt = Annotated[str, Field(description="What is asked, or the image that is wanted, in plain words.")]
Image = Annotated[
    str | None, Field(description="An image that belongs to the prompt: an http(s) address or a data URL.")
]
Route = Annotated[str | None, Field(description="Take this route, by its name in list_routes; nothing is chosen then.")]


# What is sent is built by the protocol's own names: the SDK's attributes are named differently in 1.x and 2.x.
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
    """Make the MCP server of a compiled graph; the host chooses the transport."""
    server = new_server("omni-router", INSTRUCTIONS)

    @server.tool(title="Ask", annotations=OPEN_WORLD)
    async def ask(
        prompt: Prompt, ctx: ToolContext, image: Image = None, route: Route = None
    ) -> Annotated[CallToolResult, Summary]:
        """Route a prompt, call the model that was chosen, and give its answer; files that it made come beside it."""
        return await _run(graph, ctx, prompt, image, settings_with(graph, **({"route": route} if route else {})))

    @server.tool(title="Route", annotations=OWN_RECORD)
    async def route(prompt: Prompt, ctx: ToolContext, image: Image = None) -> Annotated[CallToolResult, Summary]:
        """Decide which route and model a prompt would go to, and why; no model is called."""
        return await _run(graph, ctx, prompt, image, settings_with(graph, skip_specialists=True))

    @server.tool(title="List routes", annotations=READ_ONLY)
    def list_routes() -> Routes:
        """List the routes a prompt may take."""
        found = services_of(graph).policy.routes()
        return Routes(routes=[RouteInfo(name=r.name, task=r.task, description=r.description) for r in found])

    return server


def mcp_app(graph: Compiled) -> Starlette:
    """Serve it at `/mcp`, without sessions, so that any worker may answer any request; its lifespan must be entered.

    Host and Origin are checked by the HostGuard of the app that its routes are a part of.
    """
    app = stateless_app(mcp_server(graph), max_body=MAX_BODY)
    for route in app.routes:
        if isinstance(route, HttpRoute):
            route.app = ShapeLimit(route.app, MAX_BODY)
    return app


async def _run(graph: Compiled, ctx: ToolContext, prompt: str, image: str | None, settings: Settings) -> CallToolResult:
    async def tell(event: dict[str, Any]) -> None:
        if event.get("event") == "decision":
            decision = event["decision"]
            await ctx.report_progress(0.5, 1.0, f"{decision['route']}: {decision['model']} ({decision['reason']})")

    user = getattr(ctx.request_context.request, "scope", {}).get("user")
    try:
        message = await remote_message(prompt, image)
        result = await call_graph(graph, [message], settings, config=config_for(identity_of(user)), tell=tell)
    except OmniRouterError as error:
        raise ToolError(str(error)) from error
    summary = summarize(result)
    told = for_the_network(summary)
    content = await to_thread.run_sync(_content, summary, told["answer"] or explanation(told, result))
    return CallToolResult.model_validate(
        {"content": content, "structuredContent": dict(told), "isError": summary["error"] is not None}
    )


def _content(summary: Summary, text: str) -> list[dict[str, Any]]:
    """Return the answer, the explanation or the decision in words, with the files beside it."""
    if not summary["attempts"] and not summary["error"]:  # only routed
        text = f"{summary['route']}: {summary['model']} ({summary['reason']})"
    return [{"type": "text", "text": text}, *map(_block, summary["artifacts"])]


def _block(artifact: Artifact) -> dict[str, Any]:
    """Return a file as MCP's content of its kind, or as an embedded resource where there is none."""
    kind, data, mime_type = kind_of(artifact), artifact_base64(artifact), artifact["mime_type"]
    if kind in ("image", "audio"):
        return {"type": kind, "data": data, "mimeType": mime_type}
    uri = f"file:///{quote(Path(artifact['path']).name)}"  # its name alone: the folder is the server's affair
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "blob": data}}
