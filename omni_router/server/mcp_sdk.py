"""MCP's SDK, 2.x or 1.x, whichever is installed: the only place that knows what the two name differently.

Many packages that a caller may want in the same environment take 1.x alone.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

IS_1X = version("mcp").startswith("1.")

if TYPE_CHECKING or not IS_1X:
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    ToolContext = Context[Any, Any]
else:
    from mcp.server.fastmcp import Context as ToolContext
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError

__all__ = ["MCPServer", "ToolContext", "ToolError", "new_server", "stateless_app"]


def new_server(name: str, instructions: str) -> MCPServer[Any]:
    """Make a server without tools; 1.x has no title for one."""
    title: dict[str, Any] = {} if IS_1X else {"title": name}
    return MCPServer(name, instructions=instructions, **title)


def stateless_app(server: MCPServer[Any], *, max_body: int) -> Starlette:
    """Make the app that serves it at `/mcp` without sessions; 1.x takes the options from the server's settings.

    The SDK's own check of Host and Origin is off: `HostGuard` does it, for every route alike.
    """
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    if not IS_1X:
        return server.streamable_http_app(
            stateless_http=True, max_request_body_size=max_body, transport_security=security
        )
    settings: Any = server.settings
    settings.stateless_http, settings.max_request_body_size = True, max_body
    settings.transport_security = security
    return server.streamable_http_app()
