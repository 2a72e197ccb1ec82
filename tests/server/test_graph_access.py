"""What the handlers hand to the graph."""

import asyncio

import pytest
from langgraph.graph import StateGraph
from mcp.client.client import Client

from omni_router import Settings, build_graph
from omni_router.errors import BadImage, ConfigurationError
from omni_router.server.graph_access import config_for, remote_message, services_of, settings_with
from omni_router.server.mcp import mcp_server
from omni_router.services import Services
from omni_router.state import State
from tests.support.scripted_router import ScriptedRouter

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own


def test_the_settings_that_a_graph_was_built_with_hold(services: Services) -> None:
    graph = build_graph(services, Settings(max_models=7)).compile()
    assert settings_with(graph, skip_specialists=True) == Settings(max_models=7, skip_specialists=True)
    assert services_of(graph) is services


def test_a_tool_call_keeps_to_them(services: Services, router: ScriptedRouter) -> None:
    router.says = '{"route": "other"}'
    graph = build_graph(services, Settings(fallback_route="question_answering")).compile()

    async def decide() -> str:
        async with Client(mcp_server(graph)) as client:
            result = await client.call_tool("route", {"prompt": "hello"})
            assert result.structured_content
            return str(result.structured_content["route"])

    assert asyncio.run(decide()) == "question_answering"


def test_another_graph_is_refused() -> None:
    other = StateGraph(State).add_node("route_request", lambda state: state).set_entry_point("route_request").compile()
    with pytest.raises(ConfigurationError, match="build_graph"):
        services_of(other)


@pytest.mark.parametrize("picture", ["/etc/hostname", "file:///etc/hostname", "cat.png", ""])
def test_what_comes_over_the_network_names_no_file(picture: str) -> None:
    with pytest.raises(BadImage, match="http"):
        asyncio.run(remote_message("What is this?", picture))


def test_who_asks_stands_where_a_run_has_it() -> None:
    assert config_for("alice") == {"configurable": {"langgraph_auth_user_id": "alice"}}
    assert config_for("") == {}
