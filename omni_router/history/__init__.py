"""History: per route, the models used, when, why, and how they fared."""

from omni_router.history.protocol import History, ModelRecord, Use

__all__ = ["History", "ModelRecord", "Use"]
