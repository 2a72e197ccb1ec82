"""What every Python process of the soak test runs first: asked by a signal, it tells what it holds.

Python imports a module of this name at its start where it finds one on its path. Threads have names only inside of
their process, and memory that is free can only be given back from inside.
"""

import ctypes
import gc
import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "SOAK_REPORTS"  # the environment variable that names where reports go
SIGNAL = signal.SIGUSR1


def report() -> dict[str, Any]:
    """Collect garbage, give free memory back to the system, and return the memory in use and the threads' names."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "threads": {str(thread.native_id): thread.name for thread in threading.enumerate()},
    }


def report_when_asked() -> None:
    """Write a report at each signal, to a file named by the process's id, whole or not at all."""
    path = Path(os.environ[FOLDER]) / f"{os.getpid()}.json"
    while signal.sigwait({SIGNAL}):
        path.with_suffix(".tmp").write_text(json.dumps(report()))
        path.with_suffix(".tmp").replace(path)


if FOLDER in os.environ:
    # Not with a handler: it runs in the main thread, which an event loop in C keeps for itself.
    signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
    threading.Thread(target=report_when_asked, name="soak report", daemon=True).start()
