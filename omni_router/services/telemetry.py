"""Open what watches the runs of an environment: nothing, unless it was switched on."""

from functools import reduce

from omni_router.config.environment import Environment
from omni_router.telemetry.observer import CompositeObserver, Observer


def open_observer(environment: Environment) -> Observer | None:
    """Open what `OMNI_TRACING` and `OMNI_METRICS` ask for.

    Raises:
        ConfigurationError: a package is missing.
    """
    observers: list[Observer] = []
    if environment.tracing:
        from omni_router.telemetry.tracing import Tracing

        observers.append(Tracing())
    if environment.metrics:
        from omni_router.telemetry.metrics import process_metrics

        observers.append(process_metrics())
    return reduce(CompositeObserver, observers) if observers else None
