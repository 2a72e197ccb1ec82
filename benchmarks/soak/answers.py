"""What a place of the soak test answers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from benchmarks.soak.questions import Question

Summary = Mapping[str, Any]  # that of omni_router.events, as far as a place tells it
Events = AsyncGenerator[Summary | None, None]  # None for a piece of the answer; then how the run ended
Ask = Callable[[Question], Events]


class WrongShapeError(Exception):
    """What came is not what should be answered."""


class CutOffError(Exception):
    """The run has no outcome: its client left, or its process was killed."""
