"""What all measurements share: taking turns, telling spread, and the sections of docs/benchmarks.md."""

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
IMAGES = DOCUMENT.with_name("images")
PACKAGES = ("langgraph", "langchain-core", "huggingface_hub", "torch", "transformers")


def in_turns(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int = 20,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time each contestant `rounds` times, one after the other in every round; seconds of the clock."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warmup + rounds):
        for name, call in contestants.items():
            started = clock()
            call()
            if number >= warmup:
                times[name].append(clock() - started)
    return times


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(seconds: float) -> str:
    """Write seconds as milliseconds, with as many digits as mean something."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def spread(values: Sequence[float]) -> str:
    """Write the median and, in brackets, the 5th and 95th percentile."""
    low, high = quantile(values, 0.05), quantile(values, 0.95)
    return f"{ms(statistics.median(values))} ({ms(low)} to {ms(high)})"


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    """Write the median of the ratios round by round and, in brackets, their 5th and 95th percentile."""
    ratios = [a / b for a, b in zip(values, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({quantile(ratios, 0.05):.2f} to {quantile(ratios, 0.95):.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(name: str, text: str) -> None:
    """Print a section, and put it into the document in the place of the one of that name."""
    print(f"\n## {name}\n\n{text}")
    section = f"<!-- {name} -->\n## {name}\n\nMeasured {_machine()}.\n\n{text.strip()}\n<!-- end of {name} -->"
    document = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else _HEAD
    pattern = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- end of {re.escape(name)} -->", re.DOTALL)
    if pattern.search(document):
        document = pattern.sub(lambda _: section, document)
    else:
        document = f"{document.rstrip()}\n\n{section}\n"
    DOCUMENT.write_text(document, encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # a bare machine, where only models are measured
        return None


def _machine() -> str:
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8"))):
        processor = found[1].strip()
    packages = ", ".join(f"{name} {known}" for name in PACKAGES if (known := _version(name)))
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d} on {os.cpu_count()} cores ({processor}), "
        f"Python {platform.python_version()}, {packages}"
    )


_HEAD = """\
# Benchmarks

Written by `make bench`, and the soak test by `make soak`. Times are medians with the 5th and 95th percentile in
brackets; what is compared was measured in turns, in one run. The machine is a small shared one, so the ratios mean
more than the times.
"""
