"""The graph behind a chat model, compiled when it is first needed."""

from typing import Any, NamedTuple

from pydantic import SecretStr

from omni_router.services.lazy import once


class Sources(NamedTuple):
    """What a graph is made from: a compiled one, else services, else a token, else the environment."""

    graph: Any
    services: Any
    api_key: SecretStr | None


class LazyGraph:
    """A graph that is compiled once, whatever threads ask, and shared by all copies of a model."""

    def __init__(self, sources: Sources) -> None:
        """Take what the graph is made from."""
        self.sources = sources
        self.compiled = once(self._compile)

    def __deepcopy__(self, _memo: dict[int, Any]) -> "LazyGraph":
        """Return itself: its connections and loaded models cannot be copied."""
        return self

    def is_made_from(self, sources: Sources) -> bool:
        """Check that these are the same objects; a token is the same by its value."""
        same_objects = self.sources.graph is sources.graph and self.sources.services is sources.services
        return same_objects and self.sources.api_key == sources.api_key

    def _compile(self) -> Any:
        if self.sources.graph is not None:
            return self.sources.graph
        from omni_router.graph import build_graph, graph
        from omni_router.services import Services

        if self.sources.services is not None:
            services = self.sources.services
        elif self.sources.api_key is not None:
            services = Services.from_environment(token=self.sources.api_key.get_secret_value())
        else:
            return graph
        return build_graph(services).compile(name="omni_router")
