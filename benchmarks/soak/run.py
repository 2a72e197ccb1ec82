"""Asking one place for thousands of runs, and counting how they end and what they leave."""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks.load_memory import slope
from benchmarks.soak.answers import CutOffError, Summary, WrongShapeError
from benchmarks.soak.held import Held
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.places import LIMIT, Place
from benchmarks.soak.processes import THREADS, hold
from benchmarks.soak.questions import ANSWERED, Question, make_image_question, make_question

ABREAST = 16  # runs at once
KILLED, WARMED = (
    0.25,
    0.2,
)  # shares of a place's runs: those with kills, and those until pools and caches have their size
LEAST_WARM = 3 * ABREAST  # all about images: the first one of each thread takes 12 MB, which the thread keeps
RUNS_A_KILL, RUNS_A_TROUBLE = 30, 60
SHORTEST, LONGEST = 0.3, 3.0  # seconds of a hang or a held lock: those who wait for the lock give up after ten
STEP = 4 * 2**20  # bytes of growth in the second half that say nothing: allocators take memory in steps of megabytes
STAGES = 8  # of the watched runs; the memory is looked at after each, and judged by the second half of them
SETTLING, PAUSE = 20, 1.0  # looks, and seconds between two: connections that were hung up are closed by then
# A pool makes a thread for each call that ever came at once, and keeps it: so many may be there at most.
POOL = min(32, (os.cpu_count() or 1) + 4)  # threads of the default pool of an event loop
POOLS = Counter(
    {
        "omni-router routing": THREADS,
        "omni-router specialists": THREADS,
        "omni-router others": THREADS,
        "omni-router bodies": 2,
        "AnyIO worker thread": 40,
        "asyncio": POOL,
        "uvloop": POOL,
        "anon_inode:[io_uring]": 2,  # files of the loop of `uvloop`, which it opens when it first needs them
    }
)
SHOWN = 3  # messages of what went wrong


@dataclass
class Outcome:
    """How the runs of a place ended, and what they left."""

    name: str
    runs: int = 0
    answered: int = 0
    as_asked: int = 0  # failed with the kind of error that the fault leads to
    cut_off: int = 0  # the client left, or the process was killed
    wrong: Counter[str] = field(default_factory=Counter)
    lost_uses: int = 0
    lost_decisions: int = 0
    leaked: Held = field(default_factory=Held)
    sizes: list[int] = field(default_factory=list)  # bytes of memory once it is warm, and after each stage
    grew: float = 0.0  # bytes a run, in the second half of the stages
    may_grow: float = float("inf")  # bytes a run: what is kept on purpose, and a step of the allocator
    files: str = ""
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, leaked or grew, and nothing failed that should not."""
        return not (self.wrong or self.lost_uses or self.lost_decisions or self.leaked or self.has_grown)

    @property
    def has_grown(self) -> bool:
        """Whether memory grew by more than is meant to be kept."""
        return self.grew > self.may_grow


class Soak:
    """The runs of one place."""

    def __init__(self, place: Place, seed: int, runs: int, bar: Any) -> None:
        self._place, self._seed, self._runs, self._bar = place, seed, runs, bar
        self._ledger = Ledger(place.policy)
        self._chance = random.Random(f"{seed} {place.name}")
        self._troubles: dict[int, str] = {}  # by the number of the run that they come with
        self._under_way = set[asyncio.Task[None]]()
        self._killing = asyncio.Lock()
        self._images = range(0)  # the runs that are about images, so that no thread has its first one later
        self.outcome = Outcome(place.name)

    async def run(self) -> Outcome:
        """Ask for all runs: with kills, then until the process is warm, then watched."""
        killed = int(self._runs * KILLED) if self._place.kill else 0
        warmed = min(self._runs, killed + max(LEAST_WARM, int(self._runs * WARMED)))
        self._images = range(warmed - LEAST_WARM, warmed)
        self._plan("lock", range(self._runs), RUNS_A_TROUBLE)
        self._plan("hang", range(self._runs), RUNS_A_TROUBLE)
        self._plan("kill", range(killed), RUNS_A_KILL)
        try:
            await self._ask_all(range(killed))
            await self._ask_all(range(killed, warmed))
            await self._watch(range(warmed, self._runs))
            self._close_books()
        finally:
            await self._end_troubles()
            self._ledger.close()
        return self.outcome

    async def _watch(self, runs: range) -> None:
        """Ask in stages, with a look at the process before and after each."""
        before = held = await self._settled()
        self.outcome.sizes.append(before.resident)
        ends = [runs.start + len(runs) * stage // STAGES for stage in range(STAGES + 1)]
        for start, end in pairwise(ends):
            await self._ask_all(range(start, end))
            held = await self._settled(before)
            self.outcome.sizes.append(held.resident)
        self.outcome.leaked = held.more_than(before, POOLS)
        half = STAGES // 2
        self.outcome.grew = slope(ends[half:], self.outcome.sizes[half:])
        kept = max(0, min(runs.stop, self._place.of_runs) - ends[half])  # runs of the second half
        self.outcome.may_grow = (STEP + self._place.keeps * kept) / (runs.stop - ends[half])

    def _plan(self, trouble: str, runs: range, every: int) -> None:
        """Choose the runs during which something happens to the processes."""
        if runs:
            self._troubles |= dict.fromkeys(self._chance.sample(runs, -(-len(runs) // every)), trouble)

    async def _ask_all(self, numbers: range) -> None:
        left: Iterator[int] = iter(numbers)

        async def line() -> None:
            for number in left:
                self._begin_trouble(number)
                make = make_image_question if number in self._images else make_question
                await self._one(make(self._seed, self._place.name, number))
                self._bar.update()

        await asyncio.gather(*(line() for _ in range(ABREAST)))
        await asyncio.gather(*self._under_way)

    async def _one(self, question: Question) -> None:
        self.outcome.runs += 1
        try:
            summary = await self._summary_of(question)
        except CutOffError:
            self.outcome.cut_off += 1
        except Exception as error:  # noqa: BLE001 (counted)
            self._note_wrong(f"{type(error).__name__}: {error}", question)
        else:
            self._ledger.acknowledge(summary)
            self._check(question, summary)

    async def _summary_of(self, question: Question) -> Summary:
        leaves = question.leaves == "cancels"
        task = asyncio.create_task(self._follow(question))
        done, _ = await asyncio.wait({task}, timeout=question.patience if leaves else LIMIT)
        if not done:
            task.cancel()
            await asyncio.wait({task})
            if leaves:
                raise CutOffError
            raise WrongShapeError(f"no end within {LIMIT:g} s")
        return task.result()

    async def _follow(self, question: Question) -> Summary:
        async with aclosing(self._place.ask(question)) as events:
            async for summary in events:
                if summary is not None:
                    return summary
                if question.leaves == "closes":
                    raise CutOffError
        raise WrongShapeError("nothing said how the run ended")

    def _check(self, question: Question, summary: Summary) -> None:
        end = summary["error"]["kind"] if summary["error"] else ANSWERED
        answer = str(summary["answer"] or "")
        if end not in question.ends(summary["task"]):
            self._note_wrong(f"ended with {end}", question)
        elif end != ANSWERED:
            self.outcome.as_asked += 1
        elif not _answers(summary["task"], answer, question):
            self._note_wrong(f"not an answer to this: {answer[:200]!r}", question)
        else:
            self.outcome.answered += 1

    def _note_wrong(self, what: str, question: Question) -> None:
        if self.outcome.wrong.total() < SHOWN:
            self._bar.write(f"{self._place.name}: {what[:500]}\n  {question}")
        self.outcome.wrong[what[:500]] += 1

    def _begin_trouble(self, number: int) -> None:
        if trouble := self._troubles.get(number):
            self.outcome.troubles[trouble] += 1
            task = asyncio.create_task(self._trouble(trouble, self._chance.uniform(SHORTEST, LONGEST)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _trouble(self, kind: str, seconds: float) -> None:
        place = self._place
        if kind == "lock":
            await hold(place.policy.with_name(f".{place.policy.name}.lock"), seconds)
        elif kind == "hang":
            await place.hang(seconds)
        elif place.kill:
            async with self._killing:  # one at a time
                await place.kill(seconds)

    async def _end_troubles(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _settled(self, before: Held | None = None) -> Held:
        """Wait until a process holds no more than before, or no less than a second ago."""
        held = await Held.of(self._place.pid())
        for _ in range(SETTLING):
            await asyncio.sleep(PAUSE)
            last, held = held, await Held.of(self._place.pid())
            if not held.more_than(before, POOLS) if before else not last.more_than(held, Counter()):
                break
        return held

    def _close_books(self) -> None:
        found, ledger = self.outcome, self._ledger
        found.lost_uses, found.lost_decisions = ledger.lost_uses(), ledger.lost_decisions()
        found.files = ledger.files()


def _answers(task: str, answer: str, question: Question) -> bool:
    """Return whether an answer is to this question, which the sandbox repeats in a text."""
    return bool(answer if task != "text-generation" else re.search(rf"\b{question.number}\b", answer))
