"""What a process holds: its memory, open files by what they are, threads by what they are for, and child processes."""

import asyncio
import json
import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.soak.hook import sitecustomize as hook

HOOK = str(Path(hook.__file__).parent)
ANSWERING = 60.0  # seconds for a process to report: its main thread may be busy
STATES = {"01": "open", "08": "left by the other end", "0A": "listening"}  # of /proc/net/tcp
NUMBER = re.compile(r"[-_ ]\d+\b")  # of a thread, in its name


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    files: Counter[str] = field(default_factory=Counter)
    threads: Counter[str] = field(default_factory=Counter)
    children: int = 0
    resident: int = 0  # bytes

    @classmethod
    async def of(cls, pid: int) -> "Held":
        """Ask a process of the soak test what it holds."""
        report = hook.report() if pid == os.getpid() else await _report_of(pid)
        process = Path(f"/proc/{pid}")
        tasks = [*(process / "task").iterdir()]
        sockets = _sockets(process, clients=_inodes(Path("/proc/self")) if pid != os.getpid() else set())
        return cls(
            Counter(name for file in (process / "fd").iterdir() if (name := _file_name(file, sockets))),
            Counter(name for task in tasks if (name := _thread_name(task, report["threads"]))),
            sum(map(_children, tasks)),
            report["resident"],
        )

    def more_than(self, before: "Held", most: Counter[str]) -> "Held":
        """Return what is held beyond an earlier time, or, of kinds that are bounded, beyond `most` of them."""
        return Held(
            self.files - (before.files | most),
            self.threads - (before.threads | most),
            max(0, self.children - before.children),
        )

    def __bool__(self) -> bool:
        return bool(self.files or self.threads or self.children)

    def __str__(self) -> str:
        held = [_listed(self.files, "files"), _listed(self.threads, "threads"), f"{self.children} processes"]
        return ", ".join(held)


async def _report_of(pid: int) -> dict[str, Any]:
    """Have another process write its report, and read it."""
    path = _report_path(pid)
    path.unlink(missing_ok=True)
    os.kill(pid, hook.SIGNAL)
    async with asyncio.timeout(ANSWERING):
        while not path.exists():  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.05)
    return dict(json.loads(path.read_text()))


def _report_path(pid: int) -> Path:
    environment = dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line)
    folder = Path(environment[hook.FOLDER])
    folder.mkdir(exist_ok=True)
    return folder / f"{pid}.json"


def _inodes(process: Path) -> set[str]:
    """Return the numbers of the sockets that a process holds, as /proc writes them."""
    numbers = set[str]()
    for file in (process / "fd").iterdir():
        with suppress(OSError):  # it is closed by now
            numbers.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    return numbers


def _sockets(process: Path, clients: set[str]) -> dict[str, str]:
    """Return what the sockets of a process are, by the names of their files.

    The name of a connection whose other end is among `clients` is empty: httpcore forgets to close a connection when
    the request is cancelled while it connects, and a server has no reason to end it.
    """
    lines = list[list[str]]()
    for table in ("tcp", "tcp6"):
        lines += [line.split() for line in (process / "net" / table).read_text().splitlines()[1:]]
    of_clients = {(fields[2], fields[1]) for fields in lines if fields[9] in clients}
    found = dict[str, str]()
    for fields in lines:
        is_of_client = (fields[1], fields[2]) in of_clients
        found[f"socket:[{fields[9]}]"] = "" if is_of_client else f"connection {STATES.get(fields[3], 'ending')}"
    return found


def _file_name(file: Path, sockets: dict[str, str]) -> str | None:
    """Return what a file is; None or empty for one that does not count."""
    try:
        target = str(file.readlink())
    except OSError:  # it is closed by now
        return None
    if target.startswith("socket:"):
        return sockets.get(target, "local socket")
    return target.partition(":[")[0] if target.startswith("pipe:") else target


def _thread_name(task: Path, names: dict[str, str]) -> str | None:
    if name := names.get(task.name):
        return NUMBER.sub("", name)
    try:
        return f"native {NUMBER.sub('', (task / 'comm').read_text().strip())}"
    except OSError:  # it ended meanwhile
        return None


def _children(task: Path) -> int:
    try:
        return len((task / "children").read_text().split())
    except OSError:  # it ended meanwhile
        return 0


def _listed(counts: Counter[str], kind: str) -> str:
    """Write a number of things, and which they are."""
    names = "; ".join(f"{count} x {name}" for name, count in sorted(counts.items()))
    return f"{counts.total()} {kind}" + (f" ({names})" if names else "")
