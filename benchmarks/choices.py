"""What suits a machine best, on random weights of Arch-Router's shape: dtype, attention, int8, torch.compile.

    python -m benchmarks.choices
    python -m benchmarks.choices --compile --layers 7

    ONEDNN_MAX_CPU_ISA=AVX512_CORE python -m benchmarks.choices --layers 1  # as an older CPU would, slowly

A reply consists of reading what is new in the prompt, 80 tokens after 620 that are kept, and of a few steps; each is
measured, and the whole reply. With all layers it takes 15 GB of memory;
--layers 14 takes half of that. torch.compile needs a C++ compiler on a CPU.
"""

import argparse
import operator
import os
import random
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from benchmarks.arch import CHANGING, FIXED, Case
from benchmarks.report import in_turns, ms, ratio, spread, table, write_section
from benchmarks.shape import LAYERS, random_model
from omni_router.routers.arch.checkpoint import pick_device, pick_dtype

REPLIES = 10  # that are compared with those of float32
PAYS = 1.2  # times as fast for a whole reply: for less, nobody should have to know one more option
PARTS = {"read": f"{CHANGING} new tokens after {FIXED} kept", "step": "one step", "fill": "a reply"}
INT8 = (
    "int8 is `quantize_dynamic` of the linear layers, including the head, one scale per channel, float32 in between. "
)
HELD_TO = os.environ.get("ONEDNN_MAX_CPU_ISA")  # int8 does not follow it, and is left out
Clock = Callable[[], float]


class Contestant(Case):
    """A model, and the parts of a reply."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._prompt = [*self.fixed, *self.tokens(CHANGING)]

    def read(self) -> None:
        """Read 80 new tokens after 620 that are kept."""
        self.reader([*self.fixed, *self.tokens(CHANGING)]).next_scores()

    def step(self) -> None:
        """Read one token after 699 that are kept."""
        self.reader(self._prompt).next_scores()

    def replies(self) -> list[tuple[int, int]]:
        """Fill in replies to the same prompts as every other contestant."""
        self.chance = random.Random(7)
        return [self.fill() for _ in range(REPLIES)]


def measure(device: str, layers: int, rounds: int, clock: Clock) -> str:
    """Measure dtypes, attentions and int8, and give the section."""
    exact = random_model(layers, "float32").to(device)
    int8 = (
        {"int8": Contestant(_int8(random_model(layers, "float32", like=exact)))}
        if device == "cpu" and not HELD_TO
        else {}
    )
    cases = {
        f"{dtype}, {attention}": Contestant(random_model(layers, dtype, attention, like=exact).to(device))
        for dtype in ("float32", "float16", "bfloat16")
        for attention in ("sdpa", "eager")
    } | int8
    chosen = f"{pick_dtype(device)}, sdpa"
    parts = {part: in_turns({name: getattr(cases[name], part) for name in cases}, rounds, 1, clock) for part in PARTS}
    known = cases["float32, sdpa"].replies()
    same = {name: sum(map(operator.eq, case.replies(), known)) for name, case in cases.items()}
    rows = [
        [
            f"**{name}**" if name == chosen else name,
            *(spread(parts[part][name]) for part in PARTS),
            ratio(parts["fill"][chosen], parts["fill"][name]),
            f"{same[name]} of {REPLIES}",
        ]
        for name in cases
    ]
    best = min(cases, key=lambda name: statistics.median(parts["fill"][name]))
    return (
        f"{_about(layers, clock)} Bold: what `arch` uses here. "
        + (INT8 if int8 else "")
        + "Random weights leave many choices close.\n\n"
        + table(["numbers", *PARTS.values(), "times as fast as the bold", "route and model as with float32"], rows)
        + f"\n\nThe fastest reply: {best}.{_verdict(parts['fill'], chosen, 'int8', same) if int8 else ''}"
    )


def measure_compiled(device: str, layers: int, rounds: int, clock: Clock) -> str:
    """Measure torch.compile, and give the section."""
    model = random_model(layers, pick_dtype(device)).to(device)
    cases = {"plain": Contestant(model), "torch.compile": Contestant(torch.compile(model, dynamic=True))}
    started = time.perf_counter()
    for part in ("fill", *PARTS):  # the first token of a kept prompt, and each kind of length, compile anew
        getattr(cases["torch.compile"], part)()
    waited = time.perf_counter() - started
    parts = {part: in_turns({name: getattr(cases[name], part) for name in cases}, rounds, 2, clock) for part in PARTS}
    rows = [
        [
            name,
            *(spread(parts[part][name]) for part in PARTS),
            ratio(parts["fill"]["plain"], parts["fill"][name]),
        ]
        for name in cases
    ]
    return (
        f"{_about(layers, clock)} In {pick_dtype(device)} with sdpa. Compiling took {ms(waited)}, which grows with the "
        f"layers and is spent in every new process unless its cache is warm.\n\n"
        + table(["model", *PARTS.values(), "times as fast"], rows)
        + f"\n\n{_verdict(parts['fill'], 'plain', 'torch.compile').strip()}"
    )


def _int8(model: Any) -> Any:
    """Make the linear layers int8, head included; the embedding and what flows between them stay float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that torchao is the newer way
        settings = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
        return torch.ao.quantization.quantize_dynamic(model, settings, inplace=True)  # type: ignore[no-untyped-call]


def _about(layers: int, clock: Clock) -> str:
    return (
        f"Random weights of Arch-Router's shape, {layers} of {LAYERS} layers, on {torch.get_num_threads()} of "
        f"{os.cpu_count()} CPU cores; {'CPU time' if clock is time.process_time else 'wall-clock time'}."
    )


def _verdict(
    times: Mapping[str, Sequence[float]], chosen: str, name: str, same: Mapping[str, int] | None = None
) -> str:
    faster = statistics.median(a / b for a, b in zip(times[chosen], times[name], strict=True)) >= PAYS
    pays = faster and (same is None or same[name] >= same[chosen])
    return f" {name} {'pays' if pays else 'does not pay'}: it would at {PAYS:g} times as fast and the same choices."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=pick_device(), help="as torch names it (the best of this machine)")
    parser.add_argument("--layers", type=int, default=LAYERS, help=f"of {LAYERS}; fewer to be quick")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--cpu-time", action="store_true", help="of one thread, instead of the clock: for a CPU that others use too"
    )
    parser.add_argument("--compile", action="store_true", help="measure torch.compile instead, which takes minutes")
    given = parser.parse_args()
    if given.cpu_time:
        torch.set_num_threads(1)
    what = "torch.compile" if given.compile else "Numbers and attention"
    where = given.device.partition(":")[0] + (f" held to {HELD_TO}" if HELD_TO else "")
    write_section(
        f"{what} for arch on {where}",
        (measure_compiled if given.compile else measure)(
            given.device, given.layers, given.rounds, time.process_time if given.cpu_time else time.perf_counter
        ),
    )
