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

from tests.dev_server import ROOT
from tests.postgres import postgresql

pytestmark = pytest.mark.loopback

WORKER = ROOT / "examples" / "many_workers" / "worker.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as address:
        yield address


def start(address: str, thread: str, text: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(WORKER), address, thread, text],
        cwd=folder,
        env={
            **os.environ,
            "OMNI_SANDBOX": "1",
            "OMNI_ROUTER": "semantic",
            "OMNI_HISTORY": address,
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        text=True,
    )


def done(worker: "subprocess.Popen[str]") -> dict[str, Any]:
    said, _ = worker.communicate(timeout=200)
    assert worker.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_worker_goes_on_with_a_thread_that_another_began(address: str, tmp_path: Path) -> None:
    first = done(start(address, "one", "Who discovered penicillin?", tmp_path))
    second = done(start(address, "one", "And who discovered radium?", tmp_path))
    assert (first["messages"], second["messages"]) == (2, 4)
    assert second["model"] == first["model"]
    assert second["source"] in ("history", "router")


def test_workers_at_once_lose_no_outcome(address: str, tmp_path: Path) -> None:
    def recorded() -> int:
        with psycopg.connect(address) as connection:
            rows = connection.execute(
                "SELECT value FROM store WHERE prefix LIKE 'omni_router.sandbox.history%'"
            ).fetchall()
        return sum(model["uses"] for (value,) in rows for model in value["models"])

    before = recorded()
    workers = [start(address, f"thread {n}", "Who discovered penicillin?", tmp_path) for n in range(2)]
    assert [done(worker)["error"] for worker in workers] == [None, None]
    assert recorded() == before + 2
    assert not list(tmp_path.rglob("route_config.json")), "nothing is written beside the database"
