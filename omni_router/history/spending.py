"""What today's calls have cost all runs together: the protocol of a ledger, and one in a file of this machine."""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from omni_router.costs import is_amount, rounded
from omni_router.storage.files import Signature, WriteLock, signature, write_whole

logger = logging.getLogger("omni_router")

LAST_CALLS = 200  # ids kept of a day's calls, so that one which a resumed run reports again is not counted twice


class Ledger(Protocol):
    """Adds up what the calls of a day cost; days are those of UTC."""

    def spent(self) -> float:
        """Return what today's calls have cost, in US dollars, as far as is known here."""
        ...

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call; one with an id that was added a moment ago is not counted again."""
        ...


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Account:
    """The sum of a day, and the last calls in it."""

    day: str
    spent: float = 0.0
    calls: list[str] = field(default_factory=list)

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call, once."""
        if call not in self.calls:
            self.spent = rounded(self.spent + dollars)
            self.calls = [*self.calls, call][-LAST_CALLS:]

    def as_json(self) -> dict[str, Any]:
        """Return the account as a JSON object."""
        return {"day": self.day, "spent": self.spent, "calls": self.calls}


def read_account(document: Any, day: str) -> Account:
    """Read the account of a day; an empty one where the document is of another day, or no account."""
    if not isinstance(document, dict) or document.get("day") != day or not is_amount(document.get("spent")):
        return Account(day)
    calls = document.get("calls")
    if not isinstance(calls, list):
        calls = []
    return Account(day, float(document["spent"]), list(map(str, calls)))


class FileLedger:
    """A ledger that the processes of a machine share; what cannot be written counts in this process."""

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path, self._now = path, now
        self._account = Account("")  # as last read
        self._version: Signature | None = None  # the version of the file that it came from
        self._unwritten: list[tuple[str, float, str]] = []  # days, dollars and ids
        self._warned = False  # whether this was logged since the last write
        self._lock = threading.Lock()
        self._write_lock = WriteLock()

    def spent(self) -> float:
        """Return what today's calls have cost."""
        with self._lock:
            self._refresh()
            return self._with_unwritten().spent

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call."""
        with self._lock:
            self._unwritten.append((self._today(), dollars, call))
            try:
                self._write()
            except OSError as error:
                if not self._warned:
                    logger.warning("%s cannot be written: %s; other processes may overspend", self.path, error)
                self._warned = True

    def _today(self) -> str:
        return f"{self._now():%Y-%m-%d}"

    def _with_unwritten(self) -> Account:
        today = self._today()
        account = read_account(self._account.as_json(), today)
        for day, dollars, call in self._unwritten:
            if day == today:
                account.add(dollars, call)
        return account

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._write_lock.held(self.path.with_name(f"{self.path.name}.lock"), of=self.path):
            self._refresh()
            account = self._with_unwritten()
            write_whole(self.path, json.dumps(account.as_json(), indent=1) + "\n")
            self._account, self._unwritten, self._version = account, [], signature(self.path)
            self._warned = False

    def _refresh(self) -> None:
        version = signature(self.path)
        if version == self._version:
            return
        today = self._today()
        self._account = Account(today)
        if version is not None:  # else somebody deleted it
            try:
                self._account = read_account(json.loads(self.path.read_text(encoding="utf-8")), today)
            except (OSError, ValueError, RecursionError):
                logger.warning("%s cannot be read; today's spending counts from 0", self.path)
        self._version = version


def at_exit(flush: Callable[[], None]) -> None:
    """Write at the end of this process what could not be written before; its children write their own."""
    process = os.getpid()

    def of_this_process() -> None:
        if os.getpid() == process:
            flush()

    atexit.register(of_this_process)


def total(accounts: Sequence[Account]) -> float:
    """Return the sum of several accounts."""
    return rounded(sum(account.spent for account in accounts))
