"""Torch on one thread, for what is too small to be shared out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_here = threading.local()  # how many of these blocks the thread is in


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch from sharing out small work: its threads wait for each other.

    On two cores of which one is busy a prompt takes 23 ms on one thread and 70 to 340 ms on two, and
    fitting a head 0.7 s and 12 s; on idle ones the same. Blocks may lie within each other.
    """
    import torch

    usual = _usual_threads()
    _here.depth = getattr(_here, "depth", 0) + 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _here.depth -= 1
        if not _here.depth:
            torch.set_num_threads(usual)


@cache
def _usual_threads() -> int:
    """Tell how many threads torch has; asked once, since another thread may be in the block above the next time."""
    import torch

    return torch.get_num_threads()
