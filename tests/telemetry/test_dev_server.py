"""Spans and metrics in a LangGraph dev server of our own, set up as the documentation says."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.dev_server import dev_server
from tests.support.observing import parse
from tests.support.processes import ROOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

# The host's: a tracer provider in the server's process, which writes a line a span, and the graph below it.
TRACED = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

out = open(os.environ["SPANS"], "a")
exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\\n")
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

from omni_router.graph import graph
"""

# What an ASGI instrumentation does, in short: a span for each request, below that of the client.
SERVED = """
from opentelemetry import propagate, trace
from starlette.applications import Starlette
from starlette.middleware import Middleware

from omni_router.server.metrics import metrics_routes

class Instrumented:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope.get("headers", ())}
        with trace.get_tracer("asgi").start_as_current_span("request", propagate.extract(headers)):
            await self.app(scope, receive, send)

app = Starlette(routes=metrics_routes(), middleware=[Middleware(Instrumented)])
"""

CLIENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server")
    (folder / "traced.py").write_text(TRACED)
    (folder / "served.py").write_text(SERVED)
    served = {"dependencies": ["."], "graphs": {"omni_router": "traced:graph"}, "http": {"app": "./served.py:app"}}
    (folder / "langgraph.json").write_text(json.dumps(served))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    switches = {"OMNI_TRACING": "1", "OMNI_METRICS": "1", "OTEL_ENABLED": "true", "SPANS": str(folder / "spans")}
    path = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    with dev_server(folder, PYTHONPATH=path, **switches) as url:
        body = {"assistant_id": "omni_router", "input": {"messages": [{"role": "user", "content": "Who was Curie?"}]}}
        answer = httpx.post(f"{url}/runs/wait", json=body, headers=CLIENT, timeout=120).json()
        assert answer["error"] is None
        yield url


def test_a_turn_hangs_below_the_servers_run_and_the_client(url: str, folder: Path) -> None:
    every: list[dict[str, Any]] = [json.loads(line) for line in (folder / "spans").read_text().splitlines()]
    trace = [span for span in every if span["context"]["trace_id"].endswith("8448eb211c80319c")]
    ids = {span["name"]: span["context"]["span_id"] for span in trace}
    turn = [span for span in trace if "omni.decision.id" in span["attributes"]]
    assert [span["name"].split()[0] for span in turn] == ["route_request", "validate_choice", "chat", "record_outcome"]
    assert {span["parent_id"] for span in turn} == {ids["worker.stream_run"]}


def test_prometheus_finds_the_metrics_beside_the_servers_own(url: str) -> None:
    counted = {sample.name: sample.value for sample in parse(httpx.get(f"{url}/omni/metrics").text)}
    assert counted["omni_decisions_total"] == 1
    assert counted["omni_specialist_seconds_count"] == 1
    assert "omni_decisions" not in httpx.get(f"{url}/metrics").text
