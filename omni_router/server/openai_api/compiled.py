"""What a compiled graph works with."""

from typing import Any

from langgraph.graph.state import CompiledStateGraph

from omni_router.config.settings import Settings
from omni_router.services import Services

Compiled = CompiledStateGraph[Any, Any, Any, Any]


def services_of(graph: Compiled) -> Services:
    """Give the services that a compiled graph works with, and make them if nobody did."""
    node: Any = graph.builder.nodes["route_request"].runnable
    made: Services = node.services()
    return made


def default_settings(graph: Compiled) -> Settings:
    """Give the settings that a graph was built with, which a run's own go on top of."""
    node: Any = graph.builder.nodes["route_request"].runnable
    given: Settings = node.settings
    return given
