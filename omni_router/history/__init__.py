"""History: per route, the models used, when, why, and how they fared."""

from omni_router.history.protocol import Cooling, History, ModelRecord, Use, Verdict

__all__ = ["Cooling", "History", "ModelRecord", "Use", "Verdict"]
