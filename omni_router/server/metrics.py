"""The route from which Prometheus reads the metrics. The path `/metrics` is the LangGraph server's own."""

import os
from typing import TYPE_CHECKING

from omni_router.config.environment import Environment

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.routing import Route

    from omni_router.telemetry.metrics import Metrics

PATH = "/omni/metrics"
OFF = "Metrics are off; start the server with OMNI_METRICS=1.\n"


def metrics_routes(metrics: "Metrics | None" = None) -> "list[Route]":
    """Return the routes for an ASGI application.

    Args:
        metrics: the metrics to show; by default those of this process. With `OMNI_METRICS` off, the path answers 404.

    Raises:
        ConfigurationError: the environment holds a value that is not allowed, or a package is missing.
    """
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    if metrics is None and not Environment.read().metrics:
        return [Route(PATH, PlainTextResponse(OFF, 404), name="omni_metrics")]
    from prometheus_client.exposition import choose_encoder

    from omni_router.telemetry.metrics import process_metrics

    source = metrics or process_metrics()

    def show(request: "Request") -> Response:  # a plain function, which runs on a thread, since files may be read
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_registry(source)), headers={"content-type": content_type})

    return [Route(PATH, show, name="omni_metrics")]


def _registry(metrics: "Metrics") -> "CollectorRegistry":
    """Return the counts of this process, or, where prometheus_client counts in files, those of all processes."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return metrics.registry
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
