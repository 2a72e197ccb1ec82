"""A LangGraph dev server of our own on a free loopback port, ended by its process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ROOT, child_environment

START_LIMIT = 120.0  # seconds: it takes five on an idle machine, and CI machines are not idle


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def dev_server(folder: Path, jobs: int = 20, /, **variables: str) -> Iterator[str]:
    """Serve from `folder`, where state and policy go, and give the URL.

    What is served is the repository's langgraph.json, unless the folder has one of its own.
    """
    if not (folder / "langgraph.json").exists():
        shutil.copy(ROOT / "langgraph.json", folder)
    port = free_port()
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "OMNI_SANDBOX": "1"}
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--n-jobs-per-worker", str(jobs)],
            cwd=folder,
            env=child_environment(folder, **{**quiet, **variables}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the command starts the server as a child: both end together
        )
    try:
        wait_until_up(process, f"http://127.0.0.1:{port}/ok", folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_up(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not come up within {START_LIMIT:g} s:\n{log.read_text()}")
