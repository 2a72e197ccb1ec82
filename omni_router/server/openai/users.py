"""The users of /v1: a file of names, hashes of their keys, and how much each may ask and spend."""

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omni_router.costs import is_amount
from omni_router.errors import ConfigurationError
from omni_router.storage.files import Signature, signature

logger = logging.getLogger("omni_router")

SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
KEYS = ("name", "sha256", "rate", "budget")
ENTRY = '{"name": "ada", "sha256": "64 hexadecimal digits", "rate": "60/minute", "budget": "5/day"}'
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # part of a file's name, and a label of metrics
_MAX_DIGITS = 9  # of a rate
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Rate:
    """How many requests a user may send in a time; that many at once, and then as they come back."""

    requests: int
    seconds: float
    text: str


@dataclass(frozen=True)
class User:
    """A user of /v1, in the form in which Starlette has users."""

    name: str
    digest: str = field(repr=False)  # SHA-256 of the key
    rate: Rate | None = None
    budget: float | None = None  # US dollars a day, in UTC
    is_authenticated = True

    @property
    def identity(self) -> str:
        """The name, which the runs of the user carry."""
        return self.name

    @property
    def display_name(self) -> str:
        """The name."""
        return self.name


class UserFile:
    """The users of a file, which is read again when it has changed; a version that cannot be read changes nothing.

    A key is found by its hash, so that neither the file nor the time that a comparison takes tells a key.
    """

    def __init__(self, path: Path) -> None:
        """Read the users.

        Raises:
            ConfigurationError: the file cannot be read, or an entry is not allowed.
        """
        self.path = path
        self._version: Signature | None = signature(path)
        self._users = read_users(path)
        self._lock = threading.Lock()

    def find(self, key: str) -> User | None:
        """Return the user of a key."""
        self._refresh()
        return self._users.get(hash_of(key))

    def _refresh(self) -> None:
        with self._lock:
            version = signature(self.path)
            if version == self._version:
                return
            self._version = version
            try:
                self._users = read_users(self.path)
            except ConfigurationError as error:
                logger.warning("%s; the users are those of before", error)


def hash_of(key: str) -> str:
    """Return what the file holds in place of a key. A key is random and long, so that a plain hash hides it."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_users(path: Path) -> dict[str, User]:
    """Return the users of a file by the hash of their key.

    Raises:
        ConfigurationError: the file cannot be read, or an entry is not allowed.
    """
    return check_users(read_entries(path), path)


def check_users(entries: Sequence[Any], path: Path) -> dict[str, User]:
    """Return the users of entries by the hash of their key; `path` is named in errors.

    Raises:
        ConfigurationError: an entry is not allowed, or two have the same name or key.
    """
    try:
        users = list(map(_read_user, entries))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    by_digest = {user.digest: user for user in users}
    names = {user.name for user in users}
    if len(by_digest) < len(users) or len(names) < len(users):
        raise ConfigurationError(f"{path}: two users have the same name or the same key")
    return by_digest


def read_entries(path: Path) -> list[Any]:
    """Return the entries of a file as they stand there.

    Raises:
        ConfigurationError: the file cannot be read, or is not an array.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read as a JSON array of users like {ENTRY}: {error}") from error
    if not isinstance(entries, list):
        raise ConfigurationError(f"{path} must be a JSON array of users like {ENTRY}")
    return entries


def _read_user(entry: Any) -> User:
    if not isinstance(entry, Mapping) or set(entry) - set(KEYS):
        raise ConfigurationError(f"a user is an object with the keys {', '.join(KEYS)}, such as {ENTRY}")
    name, digest = entry.get("name"), entry.get("sha256")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"the name of a user is {name!r}: allowed are up to 64 letters, digits, . _ and -")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise ConfigurationError(f"sha256 of user {name} must be the 64 hexadecimal digits of the key's SHA-256")
    try:
        return User(name, digest, read_rate(entry.get("rate")), read_daily_budget(entry.get("budget")))
    except ValueError as error:
        raise ConfigurationError(f"user {name}: {error}") from error


def read_rate(text: Any) -> Rate | None:
    """Read a rate such as 60/minute.

    Raises:
        ValueError: it is something else.
    """
    if text is None:
        return None
    number, _, span = str(text).partition("/")
    is_count = number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS
    if not is_count or int(number) < 1 or span not in SECONDS:
        raise ValueError(f"rate is {text!r}; allowed are {', '.join(f'60/{span}' for span in SECONDS)}")
    return Rate(int(number), SECONDS[span], str(text))


def read_daily_budget(text: Any) -> float | None:
    """Read a budget such as 5/day, in US dollars.

    Raises:
        ValueError: it is something else.
    """
    if text is None:
        return None
    number, _, span = str(text).partition("/")
    try:
        dollars = float(number)
    except ValueError:
        dollars = -1.0
    if span != "day" or not is_amount(dollars):
        raise ValueError(f"budget is {text!r}; allowed are US dollars a day, such as 5/day")
    return dollars


class RateLimits:
    """How much of its rate each user has left, in this process."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}  # requests left, and when that was
        self._lock = threading.Lock()

    def take(self, user: User, now: float | None = None) -> float:
        """Count a request, and return 0, or the seconds until one is allowed."""
        rate = user.rate
        if rate is None:
            return 0.0
        moment = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.get(user.name, (float(rate.requests), moment))
            left = min(float(rate.requests), left + (moment - since) * rate.requests / rate.seconds)
            allowed = left >= 1
            self._left[user.name] = (left - 1 if allowed else left, moment)
        return 0.0 if allowed else (1 - left) * rate.seconds / rate.requests
