"""The catalog: which models the Hub's inference providers serve right now, per task."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from omni_router import _sandbox
from omni_router.inference.hub_call import hub_call

logger = logging.getLogger("omni_router")

LIMIT = 20  # models a task: several times what a turn can try
TIMEOUT = 3.0  # seconds: it stands before the answer, and history does without it
KEEP = 600.0  # seconds: what providers serve changes within days
KEEP_FAILURE = 60.0  # seconds: soon enough back, and an outage costs a wait once a minute, not once a message


@dataclass(frozen=True)
class CatalogModel:
    """A model on the Hub and the inference providers that serve it live."""

    id: str
    providers: tuple[str, ...]


Listing = tuple[CatalogModel, ...]


class Catalog(Protocol):
    """Where models for a route without history come from."""

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, best first; none for a task that cannot be listed now."""
        ...


class HubCatalog:
    """Asks the Hub, one `list_models` call a task, and keeps the answers in memory."""

    def __init__(
        self, token: Callable[[], str | None] = lambda: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token, self._clock = token, clock
        # By task and sandbox: the answer, or the call under way.
        self._flights: dict[tuple[str, object], tuple[Future[Listing], float]] = {}
        self._lock = threading.Lock()

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, trending first; all tasks are asked at once, within `TIMEOUT`."""
        flights = {task: self._flight(task) for task in tasks}
        return {task: self._landed(task, *flight) for task, flight in flights.items()}

    def _flight(self, task: str) -> tuple[Future[Listing], float]:
        """Join the call under way or its kept answer, or start a new call."""
        with self._lock:
            key = (task, _sandbox.active())  # what the sandbox lists is served nowhere else
            if key in self._flights:
                future, started = self._flights[key]
                answered = future.done() and future.exception() is None
                if self._clock() - started < (KEEP if answered else KEEP_FAILURE):
                    return future, started
            future = Future()
            self._flights[key] = (future, self._clock())
            # A daemon, so that a Hub that never answers does not hold the process at its end.
            threading.Thread(target=self._fly, args=(task, future), name=f"catalog-{task}", daemon=True).start()
            return self._flights[key]

    def _landed(self, task: str, future: "Future[Listing]", started: float) -> Listing:
        patience = max(0.0, started + TIMEOUT - self._clock())
        wait([future], patience)
        if not future.done():
            if patience:  # who comes later does not wait, and need not be told again
                logger.warning("the Hub did not list models for %s within %g s", task, TIMEOUT)
            return ()
        return () if future.exception() else future.result()

    def _fly(self, task: str, future: "Future[Listing]") -> None:
        try:
            future.set_result(self._list(task))
        except Exception as error:  # noqa: BLE001 (handed to whoever waits)
            logger.warning("the Hub could not list models for %s: %s", task, type(error).__name__)
            future.set_exception(error)

    def _list(self, task: str) -> Listing:
        from huggingface_hub import HfApi

        token = self._token()
        with hub_call(token, TIMEOUT):
            found = HfApi(token=token or False).list_models(
                inference_provider="all",
                pipeline_tag=task,
                sort="trending_score",
                expand=["inferenceProviderMapping"],
                limit=LIMIT,
            )
            return tuple(
                CatalogModel(info.id, providers)
                for info in islice(found, LIMIT)
                if (providers := _live(info.inference_provider_mapping))
            )


def _live(mapping: object) -> tuple[str, ...]:
    """Name the providers of a mapping that are live, each once."""
    entries = mapping if isinstance(mapping, list) else []
    return tuple(dict.fromkeys(entry.provider for entry in entries if entry.status == "live"))
