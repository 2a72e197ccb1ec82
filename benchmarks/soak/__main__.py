"""Run the soak test, and write its section of docs/benchmarks.md; exits with 1 when something was lost or leaked."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks.report import table, write_section
from benchmarks.soak.places import PLACES
from benchmarks.soak.processes import ONE_ARENA, Worker
from benchmarks.soak.questions import make_question
from benchmarks.soak.run import ABREAST, STAGES, STEP, Outcome, Soak

RUNS = 10_000
LEAST_RUNS = 400  # with fewer there is hardly a run left once a process is warm

HEAD = (
    *("asked", "runs", "answered", "failed as asked for", "cut off", "failed otherwise", "lost", "leaked"),
    *("MiB", "bytes a run", "killed, hung, locked", "beside the policy"),
)
TEXT = f"""\
Each place in turn, {ABREAST} runs abreast. Three prompts of ten ask the sandbox for a fault; one client of seven
cancels its request or closes its stream. `omni-router serve`, and a worker that runs the graph on the same policy file
as this process does, are killed (SIGKILL) during the first quarter and started anew; they and the LangGraph server are
stopped for up to three seconds (SIGSTOP), and another process holds the lock of the policy as long. *Cut off* are runs
that a client left or a kill ended. *Lost* are answers whose use the policy file lacks, and runs whose decision its log
lacks, which is nearly full at the start and so set aside soon. *Leaked* are open files, threads and child processes at
the end, beyond those once the process was warm; of pools, whose size is bounded, beyond that bound: it says which.
*MiB* is resident memory once the process is warm and after each of {STAGES} stages, with garbage collected and free
memory given back to the system. *Bytes a run* is its slope in the second half of the stages, by least squares, of what
it may be: {STEP // 2**20} MiB in all these runs, as allocators take memory in steps, and what is kept on purpose up to
a bound: `/v1` keeps the decisions of its last 10,000 answers, and A2A each user's last thousand tasks. glibc runs with
one arena (`MALLOC_ARENA_MAX=1`): with an arena for each thread, free memory stays scattered among them. A process in
which half of the runs were cancelled then grew from 632 to 742 MiB within 2,800 runs, although Python held no more
objects than before; with one arena, from 561 to 566."""


async def soak(runs: int, seed: int, names: Sequence[str], folder: Path) -> list[Outcome]:
    """Ask these places for a fourth of the runs each."""
    outcomes = list[Outcome]()
    await fill_cache(folder / "first")
    with tqdm(total=runs, unit="run") as bar:
        for make in [make for make in PLACES if make.__name__ in names]:
            (folder / make.__name__).mkdir()
            async with make(folder / make.__name__) as places:
                for place in places:
                    bar.set_description(place.name)
                    outcomes.append(await Soak(place, seed, runs // 4, bar).run())
    return outcomes


async def fill_cache(folder: Path) -> None:
    """Embed the policy's examples, which takes minutes on a busy machine, in the cache that all places share."""
    worker = Worker(folder)
    await worker.start()
    try:
        await worker.ask(replace(make_question(0, "first", 0), text="Hello there, how are you?", picture=False))
    finally:
        await worker.close()


def rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Write a row for each place."""
    return [
        [
            found.name,
            *(f"{count:,}" for count in (found.runs, found.answered, found.as_asked, found.cut_off)),
            f"{sum(found.wrong.values()):,}",
            f"{found.lost_uses} uses, {found.lost_decisions} decisions",
            str(found.leaked),
            " ".join(f"{size / 2**20:.1f}" for size in found.sizes),
            f"{found.grew:,.0f} of {found.may_grow:,.0f}",
            ", ".join(str(found.troubles[kind]) for kind in ("kill", "hang", "lock")),
            found.files,
        ]
        for found in outcomes
    ]


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Sum up all places in a sentence."""
    lost = sum(found.lost_uses + found.lost_decisions for found in outcomes)
    leaked = [found.name for found in outcomes if found.leaked]
    grown = [found.name for found in outcomes if found.has_grown]
    wrong = sum(sum(found.wrong.values()) for found in outcomes)
    parts = [
        f"{lost} lost" if lost else "nothing lost",
        f"leaked by {', '.join(leaked)}" if leaked else "nothing leaked",
        f"grown: {', '.join(grown)}" if grown else "nothing grown",
        f"{wrong} failed otherwise" if wrong else "nothing failed otherwise",
        "growth in bytes a run: " + ", ".join(f"{found.name} {found.grew:,.0f}" for found in outcomes),
    ]
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def main() -> int:
    """Soak, print, and tell by the exit status whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of all places together, at least {LEAST_RUNS}")
    parser.add_argument("--seed", type=int, default=1, help="of faults, clients that leave, kills and hangs")
    names = [place.__name__ for place in PLACES]
    parser.add_argument("--places", nargs="+", choices=names, default=names, help="ask these alone, and only print")
    given = parser.parse_args()
    if given.runs < LEAST_RUNS:
        parser.error(f"--runs must be at least {LEAST_RUNS}, not {given.runs}")
    started = time.monotonic()
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            outcomes = asyncio.run(soak(given.runs, given.seed, given.places, Path(folder)))
    finally:
        logging.disable(logging.NOTSET)
    minutes = f"Seed {given.seed}, {(time.monotonic() - started) / 60:.0f} minutes."
    text = f"{TEXT}\n\n{minutes}\n\n{table(HEAD, rows(outcomes))}\n\n{verdict(outcomes)}"
    if given.places == names:
        write_section("Soak test", text)
    else:
        print(text)
    return 0 if all(found.is_well for found in outcomes) else 1


def use_one_arena() -> None:
    """Start this process anew with one arena of memory, unless it has one: glibc reads the variable at the start."""
    if os.environ.get("MALLOC_ARENA_MAX") == ONE_ARENA["MALLOC_ARENA_MAX"]:
        return
    arguments = [sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
    os.execve(sys.executable, arguments, {**os.environ, **ONE_ARENA})  # noqa: S606 (this very program)


if __name__ == "__main__":
    use_one_arena()
    sys.exit(main())
