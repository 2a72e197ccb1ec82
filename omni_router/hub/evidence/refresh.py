"""Refresh the evidence in the background: what is old is fetched, part by part, so that a short process gets on too."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from omni_router.hub.evidence.arena import CONFIGS, ArenaContent, ArenaPage, fetch_page, read_config
from omni_router.hub.evidence.leaderboards import MAX_BOARDS, OFFICIAL, BoardContent, read_board, read_boards
from omni_router.hub.evidence.memory import HOUR, Memory
from omni_router.hub.evidence.pacing import EvidenceRequests, NotReadable
from omni_router.hub.evidence.parts import BOARDS, Turn, arena_part, board_part
from omni_router.hub.evidence.snapshot import UNREADABLE
from omni_router.hub.session import TOO_MANY_REQUESTS, is_outage
from omni_router.simulation import active_simulation

logger = logging.getLogger("omni_router")

LOOK_AGAIN = 60.0  # seconds until a process looks at the disk again while another one fetches
LEASE = 60.0  # seconds that a process has for its next request before another one may fetch
FIRST_PAUSE, LONGEST_PAUSE = 300.0, 6 * HOUR  # after a refresh that failed; each further one doubles it
MAX_DOUBLED = 10  # times
MAX_OUTAGES = 3  # pages that fail one after the other, until the server is taken to be away


AT_WORK: set[Memory] = set()  # those that a thread of this process refreshes now


class _SupersededError(Exception):
    """A simulation began or ended meanwhile: what comes now is not what was asked for."""


class Refresh:
    """One run of the background thread."""

    def __init__(
        self, memory: Memory, clock: Callable[[], float], pause: Callable[[float], None], refresh_after: float
    ) -> None:
        self._memory, self._store = memory, memory.store
        self._clock, self._pause_for, self._refresh_after = clock, pause, refresh_after
        self._requests = EvidenceRequests(self._pause, self._check)
        self._turn = Turn()

    def run(self) -> None:
        """Read the disk, and fetch what is old unless another process does, or the last refresh has just failed."""
        due = None
        AT_WORK.add(self._memory)
        try:
            self._store.load()
            self._memory.publish()
            if self._memory.scope is None:
                self._memory.is_read.set()
            due = self._work()
        except _SupersededError:
            pass
        except Exception as error:  # noqa: BLE001 (nothing waits for this thread; without evidence, the old order holds)
            due = self._failed(error)
        finally:
            AT_WORK.discard(self._memory)
            self._memory.end(due)

    def _work(self) -> float:
        """Do what is due, and return when there is work again."""
        if not any(map(self._is_old, self._parts())):
            return self._clock() + self._time_left()
        now = self._clock()
        self._turn, is_mine = self._store.claim(now, LEASE, LONGEST_PAUSE)
        if not is_mine:
            return min(self._turn.until, now + LOOK_AGAIN)
        outages = [error for error in (self._fetch_boards(), self._fetch_arena()) if error]
        if outages:
            return self._failed(outages[0])
        self._store.note_turn(Turn())
        return self._clock() + self._time_left()

    def _fetch_boards(self) -> Exception | None:
        """Fetch what is old of the official boards; return what kept it from one of them."""
        first: Exception | None = None
        if self._is_old(BOARDS):
            first = self._fetch(BOARDS, self._read_boards)
        if first is None or not _is_of_all_pages(first):
            first = self._fetch_each(board_part, self._store.boards(), self._read_board) or first
        self._memory.publish()
        return first

    def _fetch_arena(self) -> Exception | None:
        """Fetch what is old of Arena; return what kept it from it."""
        first = self._fetch_each(arena_part, CONFIGS, self._read_config)
        self._memory.publish()
        return first

    def _fetch_each(
        self, part: Callable[[str], str], names: Iterable[str], read: Callable[[str], Any]
    ) -> Exception | None:
        """Fetch the parts that are old until their server seems to be away; return the first error."""
        first: Exception | None = None
        outages = 0  # one after the other: a single page may fail for ever, and must not hide those behind it
        for name in names:
            if not self._is_old(part(name)):
                continue
            error = self._fetch(part(name), partial(read, name))
            first = first or error
            if error is None or not is_outage(error):
                outages = 0
                continue
            outages += 1
            if outages == MAX_OUTAGES or _is_of_all_pages(error):
                break
        return first

    def _fetch(self, name: str, read: Callable[[], Any]) -> Exception | None:
        """Fetch one part and keep it; return the error that there was instead, and keep the old part."""
        try:
            content = read()
        except _SupersededError:
            raise
        except Exception as error:  # noqa: BLE001 (logged here, and the old part stays)
            logger.info("could not fetch %s: %s", name, type(error).__name__)
            return error
        self._store.put(name, content)
        return None

    def _read_boards(self) -> list[str]:
        return read_boards(self._requests.get_json(_hub("/api/datasets"), {"filter": OFFICIAL, "limit": MAX_BOARDS}))

    def _read_board(self, board: str) -> BoardContent:
        try:
            body = self._requests.get_json(_hub(f"/api/datasets/{board}/leaderboard"), {"base_model": "false"})
        except NotReadable:
            if not self._store.is_empty(board_part(board)):
                raise
            return BoardContent(rows=[], lower_is_better=False, dropped={UNREADABLE: 1})
        if body == [] and not self._store.is_empty(board_part(board)):
            raise ValueError("a board that had rows has none")
        return read_board(body)

    def _read_config(self, config: str) -> ArenaContent:
        try:
            return read_config(partial(self._page, config))
        except NotReadable:
            if not self._store.is_empty(arena_part(config)):
                raise
            return ArenaContent(ratings=[], published="", dropped={UNREADABLE: 1})

    def _page(self, config: str, offset: int) -> ArenaPage:
        """Return a page of Arena, which the last process may have fetched before it ended."""
        page = self._store.recent_page(config, offset)
        if page is None:
            page = fetch_page(config, offset, self._requests.get_json)
            self._store.put_page(config, offset, page)
        return page

    def _is_old(self, name: str) -> bool:
        age = self._store.age(name)
        return age is None or age >= self._refresh_after

    def _parts(self) -> list[str]:
        return [BOARDS, *self._store.names()]

    def _time_left(self) -> float:
        """Return the seconds until a part is old."""
        ages = [self._store.age(name) or 0.0 for name in self._parts()]
        return max(LOOK_AGAIN, self._refresh_after - max(ages))

    def _failed(self, error: Exception) -> float:
        """Note that a refresh failed, and return when the next one may begin."""
        failures = self._turn.failures + 1
        pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, MAX_DOUBLED), LONGEST_PAUSE)
        logger.info("what boards say about models could not be refreshed: %s", type(error).__name__)
        self._store.note_turn(Turn(failures, self._clock() + pause))
        return self._clock() + pause

    def _check(self) -> None:
        if active_simulation() is not self._memory.scope:
            raise _SupersededError

    def _pause(self, seconds: float) -> None:
        self._hold(seconds + LEASE)
        self._pause_for(seconds)

    def _hold(self, seconds: float) -> None:
        """Keep other processes from fetching for so many seconds; noted only when it is much longer than before."""
        until = self._clock() + seconds
        if until - self._turn.until > LEASE / 2:
            self._turn = self._turn._replace(until=until)
            self._store.note_turn(self._turn)


def _is_of_all_pages(error: Exception) -> bool:
    """Return whether no page can be had: the server is not reached, or it has asked twice for fewer requests."""
    from omni_router.hub.http import httpx

    if (response := getattr(error, "response", None)) is not None:
        return bool(response.status_code == TOO_MANY_REQUESTS)
    return isinstance(error, (OSError, httpx.ConnectError, httpx.ConnectTimeout))


def _hub(path: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}{path}"
