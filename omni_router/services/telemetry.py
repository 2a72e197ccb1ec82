"""What watches the runs of an environment: nothing, unless it was switched on."""

from omni_router.config.environment import Environment
from omni_router.telemetry.observer import CompositeObserver, Observer


def open_observer(environment: Environment) -> Observer | None:
    """Make what `OMNI_TRACING` and `OMNI_METRICS` ask for.

    Raises:
        ConfigurationError: a package is missing.
    """
    tracing = metrics = None
    if environment.tracing:
        from omni_router.telemetry.tracing import Tracing

        tracing = Tracing()
    if environment.metrics:
        from omni_router.telemetry.metrics import process_metrics

        metrics = process_metrics()
    return CompositeObserver(tracing, metrics) if tracing and metrics else tracing or metrics
