"""The graph as an A2A agent: its card and its routes."""

from collections.abc import Sequence

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes import DefaultServerCallContextBuilder, create_jsonrpc_routes
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from anyio import to_thread
from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from omni_router.images import FORMATS
from omni_router.server.a2a.agent import OmniExecutor
from omni_router.server.a2a.bodies import refusal_of, shorten_log_of_client_errors
from omni_router.server.a2a.tasks import HostTasks
from omni_router.server.graph_access import MAX_BODY, Compiled, identity_of, services_of
from omni_router.tasks import media

PATH = "/a2a"


class WithIdentity(DefaultServerCallContextBuilder):
    """Adds the identity of the user whom the server has authenticated."""

    def build(self, request: Request) -> ServerCallContext:
        """Return the context of a request."""
        context = super().build(request)
        context.state["identity"] = identity_of(request.scope.get("user"))
        return context


def agent_card(url: str, skills: Sequence[AgentSkill]) -> AgentCard:
    """Return the card of the agent at `url`."""
    versions = ("1.0", "0.3")
    interfaces = [AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version) for version in versions]
    file_types = [each.mime_type for each in media()]
    return AgentCard(
        name="omni-router",
        description="Answers with the Hugging Face model that fits: text, images, questions about images.",
        version="1",
        supported_interfaces=interfaces,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain", *FORMATS.values()],
        default_output_modes=["text/plain", "application/json", *file_types],
        skills=skills,
    )


def skills_of(graph: Compiled) -> list[AgentSkill]:
    """Return a skill for each route of the current policy."""
    routes = services_of(graph).policy.routes()
    return [
        AgentSkill(id=r.name, name=r.name, description=r.description, tags=[r.task], examples=r.examples[:3])
        for r in routes
    ]


def a2a_routes(graph: Compiled) -> list[BaseRoute]:
    """Return `/a2a` (JSON-RPC, A2A 1.0 and 0.3), and the agent's card at its well-known path."""
    tasks = HostTasks()
    # The handler wants to know what the agent can do before the policy is read and the address is known.
    any_request = AgentSkill(id="ask", name="ask", description="any request", tags=["ask"])
    handler = DefaultRequestHandler(OmniExecutor(graph, tasks), tasks, agent_card(PATH, [any_request]))
    limited = [Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY)]
    shorten_log_of_client_errors()
    [rpc] = create_jsonrpc_routes(handler, PATH, WithIdentity(), enable_v0_3_compat=True)

    async def a2a(request: Request) -> Response:  # the SDK's own has a docstring that the server takes for a schema
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return PlainTextResponse("Send the body with the header Content-Type: application/json", 400)
        if refusal := await to_thread.run_sync(refusal_of, await request.body()):
            return refusal
        answer: Response = await rpc.endpoint(request)
        return answer

    async def card(request: Request) -> JSONResponse:
        skills = await to_thread.run_sync(skills_of, graph)
        return JSONResponse(agent_card_to_dict(agent_card(str(request.base_url).rstrip("/") + PATH, skills)))

    return [Route(AGENT_CARD_WELL_KNOWN_PATH, card), Route(PATH, a2a, methods=["POST"], middleware=limited)]
