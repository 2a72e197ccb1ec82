"""History: per route, the models used, when, why, and how they fared."""

from omni_router.history.protocol import Cooling, Feedback, History, ModelRecord, UsageRecord

__all__ = ["Cooling", "Feedback", "History", "ModelRecord", "UsageRecord"]
