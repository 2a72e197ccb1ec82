"""The processes of the soak test: they are paused, killed at any moment, and started anew on the same files."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from benchmarks.soak.answers import CutOffError, Summary, WrongShapeError
from benchmarks.soak.held import HOOK
from benchmarks.soak.hook.sitecustomize import FOLDER
from benchmarks.soak.questions import Question
from tests.support.api_server import serving
from tests.support.processes import ROOT

LATENCY = 0.05  # seconds of each model's answer: time to hang up in
THREADS = 8  # fewer than runs abreast, so that the pools are full after a few of them
LINE = 2**20  # bytes of the longest line that a worker may write


# With an arena for each thread, free memory stays scattered among them, and looks like a leak.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}


def variables(folder: Path) -> dict[str, str]:
    """Return the environment of everything that answers out of `folder`."""
    return {
        **ONE_ARENA,
        "OMNI_SANDBOX": "1",
        "OMNI_SANDBOX_LATENCY": str(LATENCY),
        "OMNI_ROUTER": "semantic",
        "OMNI_THREADS": str(THREADS),
        "OMNI_OUTPUT_DIR": str(folder / "outputs"),
        "OMNI_CACHE_DIR": str(folder.parent / "cache"),  # the vectors of the policy are computed once
        "PYTHONPATH": os.pathsep.join((HOOK, str(ROOT))),
        FOLDER: str(folder / "reports"),
        "OMNI_DECISION_LOG": str(folder / "outputs" / "sandbox" / "decisions.jsonl"),
    }


async def pause(pid: int, seconds: float) -> None:
    """Stop a process, and let it go on after some seconds."""
    with suppress(ProcessLookupError):  # it may be killed meanwhile
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


async def hold(lock: Path, seconds: float) -> None:
    """Have another process hold a lock file for some seconds."""
    code = "import sys, time, filelock\nwith filelock.FileLock(sys.argv[1]): time.sleep(float(sys.argv[2]))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(lock), str(seconds))
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Killable:
    """A process that is started, killed and started anew."""

    def __init__(self) -> None:
        self.lives = 0  # ended so far
        self.is_up = asyncio.Event()

    async def start(self) -> None:
        """Start it, and wait until it is there."""
        await self._begin()
        self.is_up.set()

    async def kill(self, delay: float) -> None:
        """Kill it after some seconds, and start it anew."""
        await asyncio.sleep(delay)
        await self.close()
        await self.start()

    async def close(self) -> None:
        """Kill it."""
        self.lives += 1
        self.is_up.clear()
        await self._end()

    async def _begin(self) -> None:
        raise NotImplementedError

    async def _end(self) -> None:
        raise NotImplementedError


class Worker(Killable):
    """A process that runs the graph, on the same policy file as this one does."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._turn = folder, asyncio.Lock()

    @property
    def pid(self) -> int:
        """The process's id."""
        return int(self._process.pid)

    async def ask(self, question: Question) -> Summary:
        """Return how the run of a question ended."""
        async with self._turn:
            await self.is_up.wait()
            lives = self.lives
            try:
                if summary := await self._exchange(question):
                    return summary
            except OSError as error:
                if self.lives == lives:
                    raise WrongShapeError(f"the worker is gone: {error}") from error
            if self.lives == lives:
                raise WrongShapeError("the worker ended by itself")
            raise CutOffError

    async def _exchange(self, question: Question) -> Summary | None:
        given = {"number": question.number, "text": question.text, "picture": question.picture}
        self._process.stdin.write(f"{json.dumps(given)}\n".encode())
        while line := await self._process.stdout.readline():
            reply = json.loads(line)
            if reply["number"] == question.number:  # else the outcome of one that nobody waits for any more
                return dict(reply["summary"])
        return None

    async def _begin(self) -> None:
        self._process: Any = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.soak.worker"),
            cwd=ROOT,
            env={**os.environ, **variables(self._folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=LINE,
        )

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class Api(Killable):
    """`omni-router serve`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._stack = folder, ExitStack()
        self.url, self.pid = "", 0

    async def hang(self, seconds: float) -> None:
        """Stop it for some seconds."""
        await pause(self.pid, seconds)

    async def _begin(self) -> None:
        self._starting = asyncio.create_task(asyncio.to_thread(self._serve))
        await asyncio.shield(self._starting)  # a thread cannot be cancelled, and what it starts is to be ended

    def _serve(self) -> None:
        self.url, process = self._stack.enter_context(serving(self._folder, **variables(self._folder)))
        self.pid = process.pid

    async def _end(self) -> None:
        await asyncio.gather(self._starting, return_exceptions=True)
        await asyncio.to_thread(self._stack.close)  # which kills it
