"""How spans and metrics are switched on and served, in processes of their own where one process cannot tell."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from omni_router import Services, build_graph
from omni_router._sandbox import Sandbox
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.server.metrics import OFF, PATH
from omni_router.services import open_observer
from omni_router.telemetry.metrics import Metrics, process_metrics
from omni_router.telemetry.observer import CompositeObserver
from omni_router.telemetry.tracing import Tracing
from tests.support.calls import ask, invoke
from tests.support.observing import parse, scrape
from tests.support.scripted_router import ScriptedRouter

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "omni_router" / "telemetry" / "grafana.json").read_text())
PAGE = (ROOT / "docs" / "how-to" / "observability.md").read_text()
TEXT = "sandbox/text-generation-1"

# One turn in a process of its own, with services of the environment but for the router, which is quick to load.
TURN = f"""
from dataclasses import replace
from omni_router import Services, build_graph, user_message
from omni_router.routers import Reply

class Scripted:
    def reply(self, conversation, routes):
        return Reply('{{"route": "question_answering", "model": "{TEXT}", "reason": "a test"}}', 0.9)

services = replace(Services.from_environment(), router=Scripted())
given = {{"messages": [user_message("How do tides work?")]}}
assert build_graph(services).compile().invoke(given)["attempts"][0]["outcome"] == "answered"
"""


def python(code: str, **variables: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMNI_SANDBOX": "1", "OMNI_ROUTER": "semantic", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_off_is_the_default_and_runs_without_either_package() -> None:
    """A None in sys.modules makes an import fail, as if the package were not installed."""
    python("import sys; sys.modules['opentelemetry'] = sys.modules['prometheus_client'] = None\n" + TURN)


def test_off_imports_nothing_for_it() -> None:
    """LangSmith, which LangChain brings, imports OpenTelemetry where it finds it: what counts is who asks for it."""
    watch = """
import builtins, sys
usual = builtins.__import__
def watched(name, globals=None, locals=None, fromlist=(), level=0):
    asking = (globals or {}).get("__name__", "")
    assert not (asking.startswith("omni_router") and name.startswith(("opentelemetry", "prometheus_client"))), asking
    return usual(name, globals, locals, fromlist, level)
builtins.__import__ = watched
"""
    tell = "print([m for m in ('omni_router.telemetry.tracing', 'prometheus_client') if m in sys.modules])"
    routes = "\nfrom omni_router.server.metrics import metrics_routes; print(metrics_routes())"
    loaded, mounted = python(watch + TURN + tell + routes).splitlines()
    assert loaded == "[]"
    assert PATH in mounted


@pytest.mark.parametrize(
    ("variable", "package", "names"),
    [("OMNI_TRACING", "opentelemetry", "spans"), ("OMNI_METRICS", "prometheus_client", "metrics")],
)
def test_a_missing_package_names_the_extra(
    variable: str, package: str, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "tracing" if package == "opentelemetry" else "metrics"
    monkeypatch.delitem(sys.modules, f"omni_router.telemetry.{module}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("OMNI_SANDBOX", "1")
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigurationError, match=rf'^{names}.*pip install -e "\.\[observe\]"'):
        Services.from_environment()


def test_the_environment_switches_each_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_SANDBOX", "1")
    assert open_observer(Environment.read()) is None
    monkeypatch.setenv("OMNI_TRACING", "1")
    assert isinstance(open_observer(Environment.read()), Tracing)
    monkeypatch.setenv("OMNI_METRICS", "yes")
    both = open_observer(Environment.read())
    assert isinstance(both, CompositeObserver)
    assert both.inner is process_metrics()
    monkeypatch.setenv("OMNI_METRICS", "perhaps")
    with pytest.raises(ConfigurationError, match=r"OMNI_METRICS must be one of .*, not 'perhaps'"):
        Environment.read()


def test_spans_go_to_the_sdk_that_the_host_sets_up_even_later() -> None:
    sdk = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
"""
    late = """
print("now")
graph.invoke(given)  # without an SDK nothing is done and nothing said
print("the SDK")
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
graph.invoke(given)
"""
    compiled = "graph = build_graph(services).compile()\n"
    before, after = python(sdk + TURN + compiled + late, OMNI_TRACING="1").split("the SDK\n")
    assert before == "now\n"
    assert f'"name": "chat {TEXT}"' in after


def test_the_path_tells_how_to_switch_metrics_on(monkeypatch: pytest.MonkeyPatch) -> None:
    off = scrape()
    assert (off.status_code, off.text) == (404, OFF)
    monkeypatch.setenv("OMNI_METRICS", "1")
    on = scrape()
    assert on.status_code == 200
    assert "omni_router_seconds_bucket" in on.text


def test_prometheus_may_ask_for_the_open_form() -> None:
    plain, open_form = scrape(Metrics()), scrape(Metrics(), "application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain")
    assert open_form.headers["content-type"].startswith("application/openmetrics-text")
    assert open_form.text.endswith("# EOF\n")


def test_many_processes_are_counted_together(tmp_path: Path) -> None:
    shared = {"OMNI_METRICS": "1", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    python(TURN, **shared)
    show = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from tests.support.observing import scrape; print(scrape().text)
"""
    counted = {sample.name: sample.value for sample in parse(python(TURN + show, **shared))}
    assert counted["omni_decisions_total"] == 2
    assert counted["omni_router_seconds_count"] == 2


@pytest.fixture
def exposed(services: Services, router: ScriptedRouter, sandbox: Sandbox) -> set[str]:
    """The names of all metrics after runs that went well, fell back and failed."""
    metrics = Metrics()
    graph = build_graph(replace(services, observer=metrics)).compile()
    router.choose("question_answering", TEXT)
    sandbox.fail("overloaded_503")
    invoke(graph, ask("How do tides work?"), None)
    sandbox.fail("token_401")
    invoke(graph, ask("How do tides work?"), None)
    metrics.users.count("ada", 200)
    metrics.users.charge("ada", 0.01)
    metrics.users.count_tokens("ada", [{"usage": {"input_tokens": 3, "output_tokens": 5}}])
    return {sample.name for sample in parse(scrape(metrics).text)}


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def queries() -> list[str]:
    variables = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return variables + [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def test_the_dashboard_asks_only_for_what_is_there_and_for_all_of_it(exposed: set[str]) -> None:
    asked = {name for query in queries() for name in re.findall(r"\bomni_\w+", query)}
    assert asked <= exposed
    shown = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in exposed}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked} == shown


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) > 0
    assert DASHBOARD["id"] is None, "Grafana gives it one"
    [source] = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "datasource"]
    assert source["query"] == "prometheus"
    for panel in panels():
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["title"]
            assert panel["description"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs))


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in panels()]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_brackets_of_every_query_are_closed() -> None:
    for query in queries():
        rest = re.sub(r'"[^"]*"', "", query)
        while (shorter := re.sub(r"\(\w*[^(){}\[\]]*\)|\{[^(){}\[\]]*\}|\[[^(){}\[\]]*\]", "", rest)) != rest:
            rest = shorter
        assert not set(rest) & set("(){}[]"), query


def test_the_page_of_documentation_names_every_metric(exposed: set[str]) -> None:
    for name in exposed - {name for name in exposed if name.endswith("_created")}:
        assert f"`{re.sub(r'_(bucket|sum|count)$', '', name)}`" in PAGE


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """An OTLP collector that keeps the names of the spans it is sent."""
    names: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = ExportTraceServiceRequest.FromString(
                gzip.decompress(body) if self.headers["content-encoding"] else body
            )
            names.extend(s.name for r in sent.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", names
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_the_code_of_the_documentation_runs_and_its_spans_arrive() -> None:
    # Each in a process of its own, also those that set something for the whole of it and that no other test runs.
    blocks = re.findall(r"^```python(?: notest)?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    with collector() as (url, names):
        for block in blocks:
            python(block, OMNI_TRACING="1", OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert names[:2] == ["route_request", "validate_choice"]
    assert names[2].startswith("chat sandbox/")
