"""A real Prometheus reads the metrics of a real server, and evaluates every query of the dashboard."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from omni_router.cli.new_key import command as new_key
from tests.support.api_server import serving
from tests.support.dev_server import free_port, wait_until_up
from tests.support.processes import ROOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

DASHBOARD: dict[str, Any] = json.loads((ROOT / "omni_router" / "telemetry" / "grafana.json").read_text())
CONFIGURATION = (ROOT / "deploy" / "prometheus.yml").read_text()
# Grafana fills these in: the chosen jobs, and a window of some scrapes.
VALUES = {"$job": ".*", "$__rate_interval": "1m", "$__range": "1m"}
AFTER_FAILURES = ("omni_fallbacks", 'outcome!="answered"')  # panels that are empty while every model answers
PATIENCE = 60.0  # seconds until two scrapes have the same counters


def find_program(name: str) -> str:
    """Return Prometheus or its tool; without it a test is skipped, or fails where OMNI_TEST_PROMETHEUS=required."""
    program = shutil.which(name)
    if program is None and os.environ.get("OMNI_TEST_PROMETHEUS") == "required":
        pytest.fail(f"{name} is missing: install Debian's package prometheus")
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Start Prometheus with the shipped configuration, but for its target and interval, and give its address."""
    program, port = find_program("prometheus"), free_port()
    assert "omni-router:8080" in CONFIGURATION
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.replace("omni-router:8080", target).replace("15s", "1s"))
    command = [program, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_until_up(process, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def evaluate(address: str, query: str) -> list[Any]:
    """Return the series that a query finds; Prometheus refuses a query that it cannot read."""
    response = httpx.get(f"{address}/api/v1/query", params={"query": query})
    assert response.status_code == 200, f"{query}: {response.text}"
    return list(response.json()["data"]["result"])


def wait_for_samples(address: str, query: str, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (series := evaluate(address, query)) or float(series[0]["value"][1]) < number:
        assert time.monotonic() < deadline, f"{query} finds nothing"
        time.sleep(0.2)


def panel_queries() -> list[str]:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    for name, value in VALUES.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def ask(address: str, key: str, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "How do tides work?"}]}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{address}/chat/completions", json=body, headers=headers, timeout=60).status_code


def test_the_configuration_of_prometheus_is_valid() -> None:
    tool = find_program("promtool")
    subprocess.run([tool, "check", "config", str(ROOT / "deploy" / "prometheus.yml")], check=True, capture_output=True)


def test_prometheus_evaluates_every_query_of_the_dashboard(tmp_path: Path) -> None:
    find_program("prometheus")
    users = tmp_path / "users.json"
    key = CliRunner().invoke(new_key, ["ada", "--file", str(users)]).stdout.strip().splitlines()[-1]
    with serving(tmp_path, "--sandbox", OMNI_METRICS="1", OMNI_USERS=str(users)) as (address, _):
        target = re.sub(r"^http://|/v1$", "", address)
        with prometheus(tmp_path, target) as server:
            # A counter has a rate from its second sample on, so there are turns before and after one.
            for turn in range(2):
                assert ask(address, key, "omni") == 200
                assert ask(address, key, "nobody/serves-this") != 200
                wait_for_samples(server, "sum(omni_decisions_total)", turn + 1)
                scrapes = 'count_over_time(omni_router_seconds_count{job="omni-router"}[1m])'
                wait_for_samples(server, scrapes, 2)
            jobs = evaluate(server, "count by (job) (omni_router_seconds_count)")
            assert [each["metric"]["job"] for each in jobs] == ["omni-router"]
            empty = [query for query in panel_queries() if not evaluate(server, query)]
    for query in empty:
        assert any(part in query for part in AFTER_FAILURES), query
