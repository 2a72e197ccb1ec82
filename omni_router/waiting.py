"""A line on stderr that says what takes so long, on a terminal, taken back when it is over.

It stands still: what loads a model has progress bars of its own, which a line that moves would write into.
"""

import os
import sys
from threading import Lock, Timer

from omni_router.terminal import is_terminal

PATIENCE = 1.0  # seconds; what is over by then needs no word
ERASE = "\r\x1b[K"


class Waiting:
    """The one line of a process; `quiet` where nothing but results is wanted."""

    def __init__(self) -> None:
        self.quiet = False
        self.shown = False
        self._lock = Lock()
        self._timer: Timer | None = None

    def begin(self, what: str) -> None:
        """Say what is waited for, once it has taken a second."""
        self.end()
        if self.quiet or not is_terminal(sys.stderr):
            return
        timer = Timer(PATIENCE, lambda: self._show(timer, what))
        timer.daemon = True
        with self._lock:
            self._timer = timer
        timer.start()

    def end(self) -> None:
        """Take the line back; to be called before anything else is shown."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = None
            if self.shown:
                sys.stderr.write(ERASE)
                sys.stderr.flush()
            self.shown = False

    def _show(self, timer: Timer, what: str) -> None:
        with self._lock:
            if self._timer is timer:  # else it was over in the same moment
                sys.stderr.write(_one_line(f"{what} ..."))
                sys.stderr.flush()
                self.shown = True


def _one_line(text: str) -> str:
    """Cut what would go on to a second line, which could not be taken back."""
    try:
        return text[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]
    except OSError:
        return text


waiting = Waiting()
