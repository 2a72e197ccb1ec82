"""`omni-router serve` on a free loopback port, as a process of its own, ended by its id."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ROOT, child_environment


@contextmanager
def serving(folder: Path, *flags: str, **variables: str) -> Iterator["tuple[str, subprocess.Popen[bytes]]"]:
    """Start the command on a free port, and give its address and process; what it prints goes to serve.log."""
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "omni_router_dev.py"), "serve", "--port", "0", *flags],
            cwd=folder,
            env=child_environment(folder, **variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(process, folder / "serve.log"), process
    finally:
        process.kill()
        process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 120
    while not (match := re.search(r"http://\S+/v1", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return match[0]  # it listens before it says so; who asks earlier than it can answer waits
