"""The cost of one answer as a whole process, in turns with what LangGraph costs to import, and with the tool `llm`.

python -m benchmarks.cold_start --llm /path/to/venv/bin/llm --before /path/to/another/checkout
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import ms, table, write_section
from tests.support.json_server import json_server

ROOT = Path(__file__).parents[1]
ROUNDS = 11
IMPORTS = "import langgraph.graph, langchain_huggingface"
QUESTION = "Write a Python function that sorts a list of names."
WALL_LIMIT, MEMORY_LIMIT, LIST_LIMIT = 2.0, 250 * 2**20, 0.4  # times the imports, bytes, seconds
KIB = 1024  # the unit of `ru_maxrss` on Linux

OURS, ALONE, LIST = "`--prompt --router semantic --sandbox`", f"`python -c '{IMPORTS}'`", "`--list-routes`"


class Cost(NamedTuple):
    """What one process took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    memory: int  # bytes at the peak


@dataclass
class Contestant:
    """A command that is run as a process."""

    name: str
    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)

    def run(self, folder: Path) -> Cost:
        """Run the command once, and measure its process.

        Raises:
            RuntimeError: it failed.
        """
        # Without bytecode on disk, every process would compile the package anew.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 (commands of this file)
            self.command,
            cwd=folder,
            env={**environment, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.command)} ended with {process.returncode}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)


def python_commands(folder: Path, before: Path | None) -> list[Contestant]:
    """Return the contestants that need Python alone."""
    here = {"PYTHONPATH": str(ROOT), "OMNI_CACHE_DIR": str(folder / "cache")}
    contestants = [
        Contestant("`python -c pass`", [sys.executable, "-c", "pass"]),
        Contestant(ALONE, [sys.executable, "-c", IMPORTS]),
        Contestant(LIST, [sys.executable, "-m", "omni_router", "--list-routes"], here),
        Contestant(OURS, [sys.executable, "-m", "omni_router", *prompt_flags("now")], here),
    ]
    if before:
        contestants.append(earlier_version(before, folder))
    return contestants


def earlier_version(place: Path, folder: Path) -> Contestant:
    """Return the same prompt with another version: a checkout, or the Python of an environment that has it."""
    variables = {"OMNI_CACHE_DIR": str(folder / "cache-before")}
    python = str(place.absolute())
    if place.is_dir():
        python, variables["PYTHONPATH"] = sys.executable, str(place.resolve())
    return Contestant("the same, the version before", [python, "-m", "omni_router", *prompt_flags("before")], variables)


def prompt_flags(name: str) -> list[str]:
    """Return the flags of the prompt that is measured; each version has files of its own."""
    return ["--prompt", QUESTION, "--router", "semantic", "--sandbox", "--output-dir", f"outputs-{name}"]


@contextmanager
def llm_tool(program: Path, folder: Path) -> Iterator[Contestant]:
    """Return the tool `llm`, which calls a model of a server in this process, and logs the answer as it always does."""
    home = folder / "llm"
    home.mkdir()
    with json_server({"/v1/chat/completions": _ANSWER}) as address:
        model = {"model_id": "here", "model_name": "here", "api_base": f"{address}/v1"}
        (home / "extra-openai-models.yaml").write_text(json.dumps([model]), encoding="utf-8")  # YAML reads JSON
        variables = {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none"}
        command = [str(program), "-m", "here", "--no-stream", QUESTION]
        yield Contestant("`llm -m MODEL`, no routing", command, variables)


def measure(rounds: int, before: Path | None, llm: Path | None) -> str:
    """Run all contestants in turns, and return the section."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        contestants = python_commands(folder, before)
        if llm:
            contestants.append(stack.enter_context(llm_tool(llm.absolute(), folder)))
        for contestant in contestants:  # the first start writes bytecode, and of earlier versions embeds the policy
            contestant.run(folder)
        for _ in range(rounds):
            for contestant in contestants:
                contestant.costs.append(contestant.run(folder))
    without = "" if llm else "\n\nThe tool `llm` was not there; `--llm PATH` names it."
    return f"{_TEXT}\n\n{costs_table(contestants)}\n\n{verdict(contestants)}{without}"


def costs_table(contestants: Sequence[Contestant]) -> str:
    """Return the table of what each process took."""
    [alone] = [contestant.costs for contestant in contestants if contestant.name == ALONE]
    rows: list[list[str]] = []
    for contestant in contestants:
        costs = contestant.costs
        rows.append(
            [
                contestant.name,
                _range([cost.wall for cost in costs]),
                _range([cost.cpu for cost in costs]),
                f"{max(cost.memory for cost in costs) / 2**20:.0f} MiB",
                _ratio([cost.wall for cost in costs], [cost.wall for cost in alone]),
                _ratio([cost.cpu for cost in costs], [cost.cpu for cost in alone]),
            ]
        )
    return table(["process", "wall", "CPU", "memory at the peak", "wall to the imports", "CPU to the imports"], rows)


def verdict(contestants: Sequence[Contestant]) -> str:
    """Return which limits are kept."""
    costs = {contestant.name: contestant.costs for contestant in contestants}
    pairs = zip(costs[OURS], costs[ALONE], strict=True)
    wall = statistics.median(ours.wall / alone.wall for ours, alone in pairs)
    memory = max(cost.memory for cost in costs[OURS])
    listing = statistics.median(cost.wall for cost in costs[LIST])
    kept = {
        f"an answer within {WALL_LIMIT:g} times the imports": wall <= WALL_LIMIT,
        f"at most {MEMORY_LIMIT // 2**20} MiB": memory <= MEMORY_LIMIT,
        f"the list of routes within {LIST_LIMIT:g} s": listing <= LIST_LIMIT,
    }
    return "; ".join(f"{limit}: {'yes' if is_kept else 'no'}" for limit, is_kept in kept.items())


def _range(seconds: Sequence[float]) -> str:
    return f"{ms(statistics.median(seconds))} ({ms(min(seconds))} to {ms(max(seconds))})"


def _ratio(values: Sequence[float], others: Sequence[float]) -> str:
    ratios = [value / other for value, other in zip(values, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


_ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "here",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "An answer."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
_TEXT = """\
Whole processes, from their start to their end, one after the other in every round, with a warm disk: medians, with the
least and the most in brackets, and ratios round by round. Each process routes or imports anew; the vectors and heads of
the default policy ship with the package, so a first start with an empty cache folder costs the same."""


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--before", type=Path, help="another checkout, or the Python of another environment")
    parser.add_argument("--llm", type=Path, help="the program of the tool llm, in an environment of its own")
    options = parser.parse_args()
    write_section("Cold start", measure(options.rounds, options.before, options.llm))


if __name__ == "__main__":
    main()
