"""What a store's history held a moment ago, in memory: read at once, renewed in the background."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from langgraph.store.base import BaseStore

from omni_router.errors import ConfigurationError
from omni_router.history.cooldown import without_forgotten
from omni_router.history.protocol import Cooling
from omni_router.history.store_items import Key, Value, plan

logger = logging.getLogger("omni_router")

ITEMS = ("omni_router", "history")
COOLING = ("omni_router", "cooling")

FRESH = 1.0  # seconds: other processes' outcomes are seen as late as this
USABLE = 10.0  # seconds: what is older, in a process that was idle, is waited for
MOST = 100_000  # items read in one statement; ninety days of ten routes and a hundred writers are ten thousand


class View:
    """The items of all other writers, by route, and what is cooling down."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.values: dict[str, list[Value]] = {}
        self.cooling: dict[str, list[Cooling]] = {}
        self.own_name = ""  # the writer whose items are not read back: it knows them better
        self._at = float("-inf")
        self._reachable = True
        self._renewing = threading.Lock()

    def renew(self, store: Callable[[], BaseStore]) -> None:
        """Read again what is no longer fresh: in the background, or at once when it is too old to be used.

        Raises:
            ConfigurationError: there is no store.
        """
        age = time.monotonic() - self._at
        if age < FRESH:
            return
        try:
            found = store()  # here: a host's store can be found on the thread of its run alone
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 (a driver's; a run goes on without a history)
            self.out_of_reach(error)
            return
        if age >= USABLE and self._reachable:
            with self._renewing:
                if time.monotonic() - self._at >= USABLE:  # another thread may just have done it
                    self._read(found)
        elif self._renewing.acquire(blocking=False):
            threading.Thread(target=self._read_and_release, args=(found,), name="history", daemon=True).start()

    def out_of_reach(self, error: Exception) -> None:
        """Say once that the store does not answer; what is known already serves."""
        if self._reachable:
            self._reachable = False
            logger.warning("the store of the history is out of reach (%s): going on with what is known", _name(error))

    def _read_and_release(self, store: BaseStore) -> None:
        try:
            self._read(store)
        finally:
            self._renewing.release()

    def _read(self, store: BaseStore) -> None:
        own = self.own_name
        try:
            items = {Key.read(item.key): cast("Value", item.value) for item in store.search(ITEMS, limit=MOST)}
            cooling = {item.key: item.value["waits"] for item in store.search(COOLING, limit=MOST)}
            found = plan({key: value for key, value in items.items() if key.writer != own}, self._now())
            for key, value in found.puts.items():
                store.put(ITEMS, str(key), cast("dict[str, Any]", value), index=False)
            for key in found.deletes:
                store.delete(ITEMS, str(key))
            remembered = without_forgotten(cooling, self._now())
            for model in cooling.keys() - remembered.keys():
                store.delete(COOLING, model)
        except Exception as error:  # noqa: BLE001 (stores raise what their drivers raise; a run goes on without one)
            self.out_of_reach(error)
        else:
            self._reachable = True
            if own == self.own_name:  # a new day began meanwhile: what this writer moved here would be lost
                self.values, self.cooling = found.values, remembered
        finally:
            self._at = time.monotonic()


def _name(error: Exception) -> str:
    """Name the error without its text: a driver's may hold an address."""
    return type(error).__name__
