"""A clock that a test sets."""

from datetime import datetime


class Clock:
    """Returns the time that was set last."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at
