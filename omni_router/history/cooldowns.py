"""How long a model is not called after a failure, and the file that holds this beside the policy."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from omni_router.error_kinds import KINDS, read_kind
from omni_router.history.protocol import Cooling, UsageRecord
from omni_router.storage.files import Signature, WriteLock, signature, write_whole

logger = logging.getLogger("omni_router")

LONG = timedelta(hours=6)  # nobody serves it: providers change their lists within days, not minutes
FIRST = timedelta(seconds=15)  # a hiccup: then twice as long each time
MOST = timedelta(minutes=15)  # an overloaded provider is back by then, or stays away for good
MOST_ASKED = timedelta(hours=1)  # the longest wait a server may ask for: a wrong clock must not silence a model
FORGET = timedelta(hours=1)  # a failure within this time after a cooldown still counts as in a row

Cooldowns = Mapping[str, Sequence[Cooling]]  # the cooldowns by model


def changes_cooldowns(cooldowns: Sequence[Cooling], use: UsageRecord) -> bool:
    """Return whether a use starts, lengthens or ends a cooldown of its model."""
    if use.outcome is None:
        return use.called and bool(cooldowns)
    return KINDS[use.outcome].cooldown is not None


def next_cooldowns(cooldowns: Sequence[Cooling], use: UsageRecord) -> list[Cooling]:
    """Return a model's cooldowns after a use: none after an answer, one more or a longer one after a failure."""
    if use.outcome is None:
        return [] if use.called else list(cooldowns)
    if KINDS[use.outcome].cooldown is None:
        return list(cooldowns)
    previous, others = None, list[Cooling]()
    for each in cooldowns:
        if each["kind"] == use.outcome:
            previous = each
        else:
            others.append(each)
    if previous and use.decision is not None and previous.get("decision") == use.decision:
        return list(cooldowns)  # a run that was resumed reports the same failure again
    now, times = read_time(use.at), 1
    if previous and now < read_time(previous["until"]) + FORGET:
        times = previous["times"] + 1
    cooldown = Cooling(kind=use.outcome, until=write_time(now + _duration(use, times)), times=times)
    if use.decision is not None:
        cooldown["decision"] = use.decision
    return [*others, cooldown]


def _duration(use: UsageRecord, times: int) -> timedelta:
    """Return how long a model is not called after failing so many times in a row."""
    if use.outcome and KINDS[use.outcome].cooldown == "long":
        return LONG
    if use.retry_after is not None:
        return min(timedelta(seconds=use.retry_after), MOST_ASKED)
    doubled: timedelta = FIRST * 2 ** min(times - 1, 10)
    return min(doubled, MOST)


def active_cooldown(cooldowns: Sequence[Cooling], now: datetime) -> Cooling | None:
    """Return the cooldown that ends last, if it is not over."""
    last = max(cooldowns, key=lambda each: each["until"], default=None)
    if last and read_time(last["until"]) > now:
        return last
    return None


def last_end(cooldowns: Sequence[Cooling]) -> str:
    """Return when the last of a model's cooldowns ends; empty if there are none."""
    return max((each["until"] for each in cooldowns), default="")


def without_forgotten(cooldowns: Cooldowns, now: datetime) -> dict[str, list[Cooling]]:
    """Return the cooldowns that still matter, so that a store of them stays small."""
    remaining: dict[str, list[Cooling]] = {}
    for model, each in cooldowns.items():
        lasting = [cooldown for cooldown in each if read_time(cooldown["until"]) + FORGET > now]
        if lasting:
            remaining[model] = lasting
    return remaining


def write_time(time: datetime) -> str:
    """Format a time as history does: UTC, ISO 8601, `Z`; seconds are rounded up, so that no cooldown ends early."""
    return f"{time + timedelta(microseconds=-time.microsecond % 1_000_000):%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(1024)  # each turn reads when the models of all routes were used last
def read_time(text: str) -> datetime:
    """Parse such a time; any other text counts as the distant past."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)


class CooldownFile:
    """Cooldowns by model, shared by the processes of a machine; what cannot be written holds in this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cooldowns: dict[str, list[Cooling]] = {}
        self._version: Signature | None = None  # the version of the file that `_cooldowns` came from
        self._unwritten: dict[str, list[Cooling]] = {}  # by model: the cooldowns that hold in this process instead
        self._warned = False  # whether this was logged since the last write
        self._lock = threading.Lock()
        self._write_lock = WriteLock()

    def read(self) -> Cooldowns:
        """Return the cooldowns of each model, as last read while another thread is writing: a read never waits."""
        if self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return {**self._cooldowns, **self._unwritten}

    def record(self, use: UsageRecord) -> None:
        """Start, lengthen or end the cooldowns of the model of a use."""
        with self._lock:
            self._refresh()
            if not changes_cooldowns(self._of(use.model), use):
                return
            try:
                self._write(use)
            except OSError as error:
                self._keep_unwritten(use)
                if not self._warned:
                    logger.warning("%s cannot be written: %s; others may still call failing models", self.path, error)
                self._warned = True

    def _of(self, model: str) -> list[Cooling]:
        return self._unwritten.get(model, self._cooldowns.get(model, []))

    def _write(self, use: UsageRecord) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._write_lock.held(self.path.with_name(f"{self.path.name}.lock"), of=self.path):
            self._refresh()
            changed = {**self._cooldowns, **self._unwritten, use.model: next_cooldowns(self._of(use.model), use)}
            cooldowns = without_forgotten(changed, datetime.now(timezone.utc))
            write_whole(self.path, json.dumps(cooldowns, indent=1) + "\n")
            self._cooldowns, self._unwritten, self._version = cooldowns, {}, signature(self.path)
            self._warned = False

    def _keep_unwritten(self, use: UsageRecord) -> None:
        """Apply a use in this process only, whatever the file holds for its model."""
        unwritten = without_forgotten(self._unwritten, datetime.now(timezone.utc))
        for model, cooldowns in self._unwritten.items():
            if not cooldowns:  # an answer ended them, which the file does not say
                unwritten[model] = cooldowns
        unwritten[use.model] = next_cooldowns(self._of(use.model), use)
        self._unwritten = unwritten

    def _refresh(self) -> None:
        version = signature(self.path)
        if version == self._version:
            return
        if version is None:  # somebody deleted it
            self._cooldowns, self._version = {}, None
            return
        try:
            self._cooldowns = _parse(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            logger.warning("%s cannot be read; it will be rewritten after the next failure", self.path)
        self._version = version


def _parse(document: Any) -> dict[str, list[Cooling]]:
    """Return the cooldowns by model in a JSON document; parts of another shape are skipped."""
    if not isinstance(document, dict):
        return {}
    return {str(model): parse_cooldowns(entries) for model, entries in document.items()}


def parse_cooldowns(entries: Any) -> list[Cooling]:
    """Return the cooldowns of one model in a JSON value; entries of another shape are skipped."""
    cooldowns: list[Cooling] = []
    if not isinstance(entries, list):
        return cooldowns
    for entry in entries:
        cooldown = _parse_cooldown(entry) if isinstance(entry, dict) else None
        if cooldown:
            cooldowns.append(cooldown)
    return cooldowns


def _parse_cooldown(entry: Mapping[str, Any]) -> Cooling | None:
    kind, times = read_kind(entry.get("kind")), entry.get("times")
    if kind is None or "until" not in entry or not isinstance(times, int):
        return None
    cooldown = Cooling(kind=kind, until=str(entry["until"]), times=times)
    if isinstance(entry.get("decision"), str):
        cooldown["decision"] = entry["decision"]
    return cooldown
