"""Writing a turn to the decision log, when it is over."""

from langgraph.config import get_config

from omni_router.config.settings import Settings
from omni_router.decisions.entry import describe_policy, make_entry
from omni_router.errors import ErrorInfo
from omni_router.services import Services
from omni_router.state import State


def log_decision(state: State, settings: Settings, services: Services, error: ErrorInfo | None = None) -> None:
    """Write the turn to the decision log, if there is one."""
    if services.decision_log is None:
        return
    entry = make_entry(state, settings, error, with_text=services.decision_log.with_text)
    entry |= describe_policy(settings, services.policy)
    thread = get_config().get("configurable", {}).get("thread_id")
    entry["thread"] = thread
    if thread is not None:
        entry["thread"] = str(thread)
    services.decision_log.write(entry)
