"""The parts of the evidence, each with the time at which it was fetched: in memory, and on disk for other processes."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from omni_router.hub.evidence.arena import CONFIGS, ArenaContent, ArenaPage, arena_ratings, read_page
from omni_router.hub.evidence.leaderboards import BoardContent, board_rows
from omni_router.hub.evidence.snapshot import NOTHING, BoardRow, EvidenceSnapshot, Rating
from omni_router.storage.sqlite import DiskCache

FORMAT = "evidence 1"  # starts every key; the number rises when a part changes its shape
BOARDS = "boards"  # the part with the ids of the official boards
STATE = "state"  # the part that says when a process may fetch again
PAGE_AGE = 3600.0  # seconds: the pages of a config have to fit together
KEEP = 30 * 24 * 3600.0  # seconds: what was true a month ago is a better guess than none


class Part(NamedTuple):
    """A part of the evidence, and when it was fetched, in seconds since 1970."""

    content: Any
    at: float


class Turn(NamedTuple):
    """Whose turn it is to fetch."""

    failures: int = 0  # refreshes that failed, one after the other
    until: float = 0.0  # nobody fetches before this time: a process is at it, or the last one failed


class EvidenceStore:
    """Holds the parts; what is on disk is shared by all processes of a user."""

    def __init__(self, disk: DiskCache | None, clock: Callable[[], float]) -> None:
        self._disk, self._clock = disk, clock
        self._parts: dict[str, Part] = {}
        self._turn = Turn()
        self._is_fetching = False

    def load(self) -> None:
        """Read from disk what other processes have fetched since."""
        self._load([BOARDS])
        self._load(self.names())

    def names(self) -> list[str]:
        """Return the names of all parts but the list of boards."""
        return [*map(board_part, self.boards()), *map(arena_part, CONFIGS)]

    def put(self, name: str, content: Any) -> None:
        """Keep a part that was fetched now."""
        part = self._parts[name] = Part(content, self._clock())
        if self._disk:
            self._disk.put(f"{FORMAT} {name}", *part)

    def recent_page(self, config: str, offset: int) -> ArenaPage | None:
        """Return a page of Arena that was fetched a moment ago, by a process that did not get to the last one."""
        name = f"{FORMAT} page {config} {offset}"
        stored = self._disk.get(name) if self._disk else None
        if stored is None or not 0 <= self._clock() - stored.at < PAGE_AGE:
            return None
        return read_page(stored.value)

    def put_page(self, config: str, offset: int, page: ArenaPage) -> None:
        """Keep a page of Arena until all have been fetched."""
        if self._disk:
            self._disk.put(f"{FORMAT} page {config} {offset}", page, self._clock())

    def age(self, name: str) -> float | None:
        """Return the age of a part in seconds; None if there is none, or its time is in the future."""
        part = self._parts.get(name)
        if part is None or part.at > self._clock():  # a clock was wrong
            return None
        return self._clock() - part.at

    def is_empty(self, name: str) -> bool:
        """Return whether a part is not there, too old to be used, or holds nothing."""
        part = self._parts.get(name)
        if part is None or not self._is_kept(part):
            return True
        return not (part.content.get("rows") or part.content.get("ratings"))

    def boards(self) -> list[str]:
        """Return the ids of the official boards."""
        return list(self._parts.get(BOARDS, Part([], 0.0)).content)

    def claim(self, now: float, seconds: float, longest: float) -> tuple[Turn, bool]:
        """Take the turn to fetch for so many seconds, unless somebody has it; return whose it is, and whether ours.

        Args:
            now: the time.
            seconds: how long nobody else fetches.
            longest: for which anybody may have noted it; a later time is a mistake.
        """
        claims: list[tuple[Turn, bool]] = []

        def take(stored: Any) -> list[float]:
            turn = _read_turn(stored) or self._turn
            is_free = not now < turn.until <= now + longest
            if is_free:
                turn = turn._replace(until=now + seconds)
            claims.append((turn, is_free))
            return list(turn)

        if not self._disk or not self._disk.change(f"{FORMAT} {STATE}", take, now):
            take(None)
        self._turn, self._is_fetching = claims[-1]
        return self._turn, self._is_fetching

    def release(self) -> None:
        """Let other processes fetch, if this one does: it ends before it is done."""
        if self._is_fetching:
            self.note_turn(self._turn._replace(until=0.0))

    def note_turn(self, turn: Turn) -> None:
        """Note whose turn it is, for other processes too."""
        self._turn = turn
        if self._disk:
            self._disk.put(f"{FORMAT} {STATE}", list(turn), self._clock())

    def snapshot(self) -> EvidenceSnapshot:
        """Return everything, as of now."""
        rows: list[BoardRow] = []
        ratings: list[Rating] = []
        dropped: Counter[str] = Counter()
        names = self.names()
        known = {name: part for name, part in self._parts.items() if name in names and self._is_kept(part)}
        for board in self.boards():
            if part := known.get(board_part(board)):
                rows += board_rows(board, part.content)
        for config in CONFIGS:
            if part := known.get(arena_part(config)):
                ratings += arena_ratings(config, part.content)
        for part in known.values():
            dropped.update(part.content["dropped"])
        if not known:
            return NOTHING
        return EvidenceSnapshot(
            rows=tuple(rows),
            ratings=tuple(ratings),
            at=min(part.at for part in known.values()),
            missing=tuple(name for name in names if name not in known),
            dropped=dict(dropped),
        )

    def _load(self, names: list[str]) -> None:
        if self._disk is None:
            return
        stored = self._disk.get_many([f"{FORMAT} {name}" for name in names])
        for key, value in stored.items():
            name = key.removeprefix(f"{FORMAT} ")
            part, mine = Part(*value), self._parts.get(name)
            if part.at > self._clock() or (mine and mine.at >= part.at):  # a clock was wrong, or it is known
                continue
            if self._is_kept(part) and _is_sound(name, part.content):
                self._parts[name] = part

    def _is_kept(self, part: Part) -> bool:
        return self._clock() - part.at < KEEP


def _read_turn(value: Any) -> Turn | None:
    """Return the turn that is on disk; None if there is none that can be read."""
    try:
        failures, until = value
        return Turn(max(0, int(failures)), float(until))
    except (TypeError, ValueError, OverflowError):
        return None


def board_part(board: str) -> str:
    """Return the name of the part with a board."""
    return f"board {board}"


def arena_part(config: str) -> str:
    """Return the name of the part with a config of Arena."""
    return f"arena {config}"


def _is_sound(name: str, content: Any) -> bool:
    """Return whether a part from disk has the shape that this version writes."""
    try:
        if name == BOARDS:
            return all(isinstance(board, str) for board in content)
        _read(name, content)
        return all(type(count) is int for count in content["dropped"].values())
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return False


def _read(name: str, content: Any) -> Iterable[BoardRow | Rating]:
    kind, _, rest = name.partition(" ")
    board: BoardContent = content
    config: ArenaContent = content
    return list(board_rows(rest, board) if kind == "board" else arena_ratings(rest, config))
