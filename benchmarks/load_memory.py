"""What memory and time a process takes: from the files under /proc, so on Linux alone."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

LISTENS = "0A"  # the state of a listening socket in /proc/net/tcp


def resident(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all its threads together, in seconds."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def listener(port: int) -> int | None:
    """Find the process that listens on a port of this machine; None when it is on another one, or another user's."""
    sockets = set[str]()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it ended meanwhile
            if str(file.readlink()) in sockets:
                return int(file.parts[2])
    return None


def slope(requests: Sequence[int], sizes: Sequence[int]) -> float:
    """Return the bytes that each request adds, by a least-squares line through the points."""
    mean_x, mean_y = sum(requests) / len(requests), sum(sizes) / len(sizes)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(requests, sizes, strict=True))
    return above / sum((x - mean_x) ** 2 for x in requests)
