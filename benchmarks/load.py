"""Many users at once: 500 runs together against models that take a second, and the memory over 10,000 runs.

python -m benchmarks.load graph server api        # the bare graph, the LangGraph dev server, `omni-router serve`

All of them answer from the sandbox.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from benchmarks.load_memory import cpu_seconds, listener, resident, slope
from benchmarks.report import IMAGES, ms, quantile, table, write_section
from omni_router.nodes._threads import bulkheads, thread_pool
from tests.support.api_server import serving
from tests.support.dev_server import dev_server

TOGETHER = 500  # runs at once
LATENCY = 1.0  # seconds of each model's answer
RUNS = 10_000  # whose memory is watched
EVERY = 500  # runs between two looks at it
ABREAST = 16  # runs at once meanwhile
WARM = 2_000  # runs until pools, caches and allocators have their size
THREADS = (16, 32, 64)  # OMNI_THREADS
WAIT = 600.0  # seconds: to be slow is to be measured, not to fail

Ask = Callable[[str], Awaitable[None]]  # raises where there is no answer


@dataclass
class Burst:
    """How runs that began together fared."""

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    total: float = 0.0
    cpu: float = float("nan")  # seconds of the process that runs the graph


@dataclass
class Place:
    """Something that answers: how it is asked, and in which process it is."""

    name: str
    ask: Ask
    pid: int | None


def question(number: int) -> str:
    """Ask something else each time: no cache of texts may answer."""
    return f"In which year was element number {number} of the catalogue discovered, and by whom?"


async def burst(place: Place, together: int) -> Burst:
    """Begin all runs at once."""
    found = Burst()

    async def one(number: int) -> None:
        started = time.perf_counter()
        try:
            await place.ask(question(number))
        except Exception as error:  # noqa: BLE001 (counted)
            found.failed.append(f"{type(error).__name__}: {error}")
        found.seconds.append(time.perf_counter() - started)

    before = cpu_seconds(place.pid) if place.pid else float("nan")
    started = time.perf_counter()
    await asyncio.gather(*map(one, range(together)))
    found.total = time.perf_counter() - started
    found.cpu = cpu_seconds(place.pid) - before if place.pid else float("nan")
    return found


async def memory(place: Place, runs: int) -> tuple[list[int], list[int]]:
    """Run one after the other, some abreast, and look at the memory now and then: runs done, and bytes."""
    numbers: Iterator[int] = iter(tqdm(range(runs), desc=f"memory of {place.name}"))
    done, looks, sizes, pid = 0, list[int](), list[int](), place.pid or os.getpid()

    async def line() -> None:
        nonlocal done
        for number in numbers:
            await place.ask(question(number))
            done += 1
            if done % EVERY == 0:
                looks.append(done)
                sizes.append(resident(pid))

    await asyncio.gather(*(line() for _ in range(ABREAST)))
    return looks, sizes


@asynccontextmanager
async def bare_graph(folder: Path, latency: float, threads: int) -> AsyncIterator[Place]:
    """Return the graph itself, in this process."""
    os.environ["OMNI_THREADS"] = str(threads)
    thread_pool.cache_clear()
    bulkheads.cache_clear()
    from omni_router import Services, build_graph, sandbox, user_message
    from omni_router.config.environment import Environment

    with sandbox(latency=latency):
        variables = {"OMNI_ROUTER": "semantic", "OMNI_CACHE_DIR": str(folder / "cache")}
        services = Services.from_environment(Environment.read(output_dir=folder, variables=variables))
        graph: Any = build_graph(services).compile()

        async def ask(text: str) -> None:
            result = await graph.ainvoke({"messages": [user_message(text)]})
            if result["error"]:
                raise RuntimeError(result["error"]["message"])

        yield Place("graph", ask, os.getpid())


@asynccontextmanager
async def langgraph_server(folder: Path, latency: float, threads: int) -> AsyncIterator[Place]:
    """Start the dev server, and ask it with its SDK for runs without a thread, which it forgets."""
    from langgraph_sdk.client import LangGraphClient

    with dev_server(folder, TOGETHER, OMNI_SANDBOX_LATENCY=str(latency), OMNI_THREADS=str(threads)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT, limits=httpx.Limits()) as client:
            sdk = LangGraphClient(client)

            async def ask(text: str) -> None:
                given: Any = {"messages": [{"role": "user", "content": text}]}
                result: Any = await sdk.runs.wait(None, "omni_router", input=given)
                if result["error"]:
                    raise RuntimeError(result["error"]["message"])

            yield Place("server", ask, listener(int(url.rpartition(":")[2])))


@asynccontextmanager
async def chat_completions(folder: Path, latency: float, threads: int) -> AsyncIterator[Place]:
    """Start `omni-router serve`, and ask it for chat completions."""
    given = {"OMNI_SANDBOX": "1", "OMNI_SANDBOX_LATENCY": str(latency), "OMNI_THREADS": str(threads)}
    with serving(folder, **given, OMNI_MAX_CONCURRENT=str(2 * TOGETHER)) as (url, process):
        async with httpx.AsyncClient(timeout=WAIT, limits=httpx.Limits()) as client:

            async def ask(text: str) -> None:
                asked = {"model": "omni", "messages": [{"role": "user", "content": text}]}
                response = await client.post(f"{url}/chat/completions", json=asked)
                response.raise_for_status()
                if not response.json()["choices"][0]["message"]["content"]:
                    raise RuntimeError("no content")

            yield Place("/v1", ask, process.pid)


PLACES = {"graph": bare_graph, "server": langgraph_server, "api": chat_completions}


@asynccontextmanager
async def place_of(name: str, latency: float, threads: int) -> AsyncIterator[Place]:
    """Open one of the places, the router loaded."""
    with tempfile.TemporaryDirectory() as folder:
        async with PLACES[name](Path(folder), latency, threads) as place:
            await place.ask("Hello there, how are you?")
            yield place


async def measure(places: list[str], threads: list[int], together: int, runs: int) -> None:
    """Measure each place, and write the sections."""
    rows, lines = list[list[str]](), dict[str, tuple[list[int], list[int]]]()
    for name in places:
        for count in threads if together else ():
            async with place_of(name, LATENCY, count) as place:
                found = await burst(place, together)
            rows.append(_row(place.name, count, found))
            print(" | ".join(rows[-1]), *set(found.failed[:3]), sep="\n", flush=True)
        if runs:
            async with place_of(name, 0, THREADS[-1]) as place:
                lines[place.name] = await memory(place, runs)
    if rows:
        head = ["asked", "OMNI_THREADS", "answered", "failed", "all within", "of the least", "p50", "p99", "CPU a run"]
        write_section(f"{together} runs at once", f"{_BURST}\n\n{table(head, rows)}")
    if lines:
        draw(lines)
        head = ["asked", "runs", "at first", f"after {WARM:,}", "at last", "bytes a run since then"]
        text = table(head, [_growth(name, *line) for name, line in lines.items()])
        write_section("Memory of a server", f"{_MEMORY}\n\n{text}\n\n![Memory over requests](images/load.png)")


def _row(name: str, threads: int, found: Burst) -> list[str]:
    asked = len(found.seconds)
    least = asked * LATENCY / threads
    times = [f"{quantile(found.seconds, share):.2f} s" for share in (0.5, 0.99)]
    failed = f"{len(found.failed)} ({len(found.failed) / asked:.1%})"
    return [
        name,
        str(threads),
        str(asked - len(found.failed)),
        failed,
        f"{found.total:.1f} s",
        f"{found.total / least:.2f}",
        *times,
        ms(found.cpu / asked),
    ]


def _growth(name: str, looks: list[int], sizes: list[int]) -> list[str]:
    warm = next((place for place, done in enumerate(looks) if done >= WARM), 0)
    grown = slope(looks[warm:], sizes[warm:]) if len(looks) - warm > 1 else float("nan")
    return [name, f"{looks[-1]:,}", *(f"{sizes[place] / 2**20:.0f} MiB" for place in (0, warm, -1)), f"{grown:.0f}"]


def draw(lines: dict[str, tuple[list[int], list[int]]]) -> None:
    """Draw memory over runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel="runs", ylabel="resident memory, MiB")
    for name, (looks, sizes) in lines.items():
        axes.plot(looks, [size / 2**20 for size in sizes], label=name, marker=".")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / "load.png", dpi=130)


_BURST = f"""\
All runs start at once, and each model takes {LATENCY:g} s: without any other work they would all be answered within
runs / OMNI_THREADS seconds, the minimum; one model gets seven eighths of the threads. The client runs on the same two
cores; CPU is that of the process that runs the graph. Where threads are not the limit, the cores are."""
_MEMORY = f"""\
Resident memory of the process that runs the graph, {ABREAST} concurrent runs, models that answer immediately."""


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", choices=PLACES)
    parser.add_argument("--threads", type=int, nargs="+", default=list(THREADS))
    parser.add_argument("--only", choices=["burst", "memory"])
    parser.add_argument("--together", type=int, default=TOGETHER)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    together, runs = (0 if given.only == "memory" else given.together), (0 if given.only == "burst" else given.runs)
    asyncio.run(measure(given.places, given.threads, together, runs))


if __name__ == "__main__":
    main()
