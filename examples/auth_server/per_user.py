"""The graph, with the token of whoever asks."""

from accounts import token_of
from langgraph.config import get_config

from omni_router import Services, build_graph
from omni_router.server.app import make_app


def token() -> str | None:
    """Return the token of the run's user; called for each call of a model."""
    try:
        identity = get_config()["configurable"].get("langgraph_auth_user_id")
    except RuntimeError:  # outside of a run: the list of models is refreshed in the background
        return None
    return token_of(identity) if identity else None


graph = build_graph(Services.from_environment(token=token)).compile(name="omni_router")
app = make_app(graph)
