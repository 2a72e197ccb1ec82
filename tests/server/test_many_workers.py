"""Workers in processes of their own that share threads and history in a real PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.postgres import postgresql
from tests.support.processes import ROOT

pytestmark = pytest.mark.loopback

WORKER = ROOT / "examples" / "many_workers" / "worker.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as address:
        subprocess.run([sys.executable, str(WORKER), address], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def turns(address: str, folder: Path) -> list[dict[str, Any]]:
    """Two workers at once, each on a thread of its own; then a third that goes on with the first's."""
    questions = [("one", "Who discovered penicillin?"), ("two", "Who discovered radium?"), ("one", "And who polonium?")]
    at_once = [start(address, *questions[0], folder), start(address, *questions[1], folder)]
    return [*map(done, at_once), done(start(address, *questions[2], folder))]


def start(address: str, thread: str, text: str, folder: Path) -> "subprocess.Popen[str]":
    usual = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}  # as of the cache
    own = {"OMNI_SANDBOX": "1", "OMNI_ROUTER": "semantic", "OMNI_HISTORY": address, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(WORKER), address, thread, text],
        cwd=folder,
        env={**usual, **own},
        stdout=subprocess.PIPE,
        text=True,
    )


def done(worker: "subprocess.Popen[str]") -> dict[str, Any]:
    output, _ = worker.communicate(timeout=200)
    assert worker.returncode == 0
    report: dict[str, Any] = json.loads(output)
    return report


def test_a_worker_goes_on_with_a_thread_that_another_began(turns: list[dict[str, Any]]) -> None:
    first, _, third = turns
    assert (first["messages"], third["messages"]) == (2, 4)
    assert third["model"] == first["model"]


def test_workers_at_once_lose_no_outcome(turns: list[dict[str, Any]], address: str, folder: Path) -> None:
    assert [turn["error"] for turn in turns] == [None, None, None]
    with psycopg.connect(address) as connection:
        uses = connection.execute("SELECT sum(uses) FROM omni_router_uses WHERE space = 'sandbox'").fetchone()
    assert uses == (len(turns),)
    assert not list(folder.rglob("route_config.json")), "nothing is written beside the database"
