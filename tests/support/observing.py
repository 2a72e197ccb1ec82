"""What a host has that watches the graph: the OpenTelemetry SDK, and an application that Prometheus reads."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.applications import Starlette

from omni_router.server.metrics import PATH, metrics_routes
from omni_router.telemetry.metrics import Metrics


class Spans:
    """What a real SDK was given, and a tracer of the host's own."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.host = self.provider.get_tracer("the host")

    def all(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def attributes(self, name: str) -> dict[str, Any]:
        [match] = [span for span in self.all() if span.name == name]
        return dict(match.attributes or {})


def scrape(metrics: Metrics | None = None, accept: str = "") -> httpx.Response:
    """Read the metrics as Prometheus does, from an application that mounts them."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=metrics_routes(metrics)))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(PATH, headers={"accept": accept})

    return asyncio.run(get())


def parse(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of the one sample with exactly these labels; None when there is none."""
    values = [sample.value for sample in parse(scrape(metrics).text) if (sample.name, sample.labels) == (name, labels)]
    return values[0] if values else None
