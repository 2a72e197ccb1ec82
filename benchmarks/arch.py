"""The arch router's way of filling in a reply against plain `generate`, on random weights of Arch-Router's shape.

It needs torch and transformers alone, so that it runs on a bare machine with a GPU: python -m benchmarks.arch

A prompt of 700 tokens, of which 620 are the task and the routes and 80 the conversation; a reply of 45 tokens. What is
compared does the same work for the caller: a route of eleven and a model of three. The floor is the time for reading
the weights once, and the operations of the tokens that have to be read, at the rates measured on the machine itself.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.report import in_turns, ms, ratio, spread, table, write_section
from benchmarks.shape import LAYERS, SHAPE, random_model
from omni_router.routers.arch.checkpoint import pick_device, pick_dtype
from omni_router.routers.arch.decoding import Decoder, PrefixCachePool

FIXED, CHANGING, REPLY = 620, 80, 45  # tokens
ROUTES, MODELS = 11, 3
RATIO_LIMIT, GPU_LIMIT = 10.0, 0.015  # times as fast as `generate`; seconds on a GPU


class Case:
    """A model, and prompts that share their beginning."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device: str = str(model.device)
        self.chance = random.Random(2)
        self.fixed = self.tokens(FIXED)
        self.opening, self.middle = self.tokens(5), self.tokens(6)
        ending = self.tokens(4)
        self.routes = [[*self.tokens(3), *ending] for _ in range(ROUTES)]
        shared = self.tokens(2)
        self.models = [[*shared, *self.tokens(8)] for _ in range(MODELS)]
        self.pool = PrefixCachePool(self.model, 4)

    def tokens(self, count: int) -> list[int]:
        """Return random tokens."""
        return [self.chance.randrange(SHAPE["vocab_size"]) for _ in range(count)]

    def generate(self) -> None:
        """Write 45 tokens with plain, greedy `generate`."""
        ids = torch.tensor([[*self.fixed, *self.tokens(CHANGING)]], device=self.device)
        with torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=REPLY,
                min_new_tokens=REPLY,
                eos_token_id=None,
                pad_token_id=0,
            )

    def reader(self, prompt: list[int], *, reuse: bool = True) -> Decoder:
        """Return a decoder that begins with the prompt, part of which may have been read before."""
        if reuse:
            return self.pool.start(prompt)
        reader = Decoder(self.model)
        reader.start(prompt)
        return reader

    def fill(self, *, reuse: bool = True) -> tuple[int, int]:
        """Fill in a reply: an opening, a route, what follows, a model."""
        reader = self.reader([*self.fixed, *self.tokens(CHANGING), *self.opening], reuse=reuse)
        route = reader.choose(self.routes).option
        reader.append(self.middle)
        return route, reader.choose(self.models).option

    def route_only(self) -> int:
        """Fill in a route alone, as in the checkpoint's own form."""
        return self.reader([*self.fixed, *self.tokens(CHANGING), *self.opening]).choose(self.routes).option


def floor(case: Case) -> float:
    """Return the least seconds for reading the weights and computing one prompt's new tokens."""
    head, parameters = case.model.lm_head.weight, sum(p.numel() for p in case.model.parameters())
    dtype = head.dtype
    inner, outer = SHAPE["hidden_size"], SHAPE["intermediate_size"]
    layer = torch.randn(inner, outer, device=case.device, dtype=dtype)
    rows = torch.randn(CHANGING, inner, device=case.device, dtype=dtype)
    block = torch.zeros(256 * 2**20, dtype=torch.uint8, device=case.device)
    copy = torch.zeros_like(block)
    rate = 2 * CHANGING * inner * outer / _best(lambda: rows @ layer, case.device)
    bandwidth = 2 * block.numel() / _best(lambda: copy.copy_(block), case.device)  # read and written
    tokens = CHANGING + len(case.opening)
    operations = 2 * ((parameters - head.numel()) * tokens + head.numel())  # the head is asked about the last token
    return float(max(parameters * head.element_size() / bandwidth, operations / rate))


def _best(call: Callable[[], object], device: str) -> float:
    times = []
    for _ in range(20):
        started = time.perf_counter()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(device: str, layers: int, rounds: int) -> str:
    """Measure, and write the section."""
    dtype = pick_dtype(device)
    case = Case(random_model(layers, dtype).to(device))
    least = floor(case)
    times = in_turns(
        {
            "generate": case.generate,
            "no reuse": lambda: case.fill(reuse=False),
            "fill": case.fill,
            "route only": case.route_only,
        },
        rounds,
        warmup=1,
    )
    names = {
        "generate": f"plain `generate`, {REPLY} tokens",
        "no reuse": "filled in, nothing kept from before",
        "fill": "filled in, the routes kept: route and model",
        "route only": "filled in, the routes kept: route alone",
    }
    rows = [
        [names[name], spread(taken), ratio(times["generate"], taken), f"{statistics.median(taken) / least:.1f}"]
        for name, taken in times.items()
    ]
    faster = statistics.median(a / b for a, b in zip(times["generate"], times["fill"], strict=True))
    met = f"At least {RATIO_LIMIT:g} times as fast: {'yes' if faster >= RATIO_LIMIT else 'no'}."
    if device.startswith("cuda"):
        fast = statistics.median(times["fill"]) <= GPU_LIMIT
        met += f" p50 at most {ms(GPU_LIMIT)}: {'yes' if fast else 'no'}."
    where = torch.cuda.get_device_name() if device.startswith("cuda") else f"{torch.get_num_threads()} CPU threads"
    return (
        f"Random weights of Arch-Router's shape ({layers} of {LAYERS} layers, {dtype}) on {where}; a prompt of "
        f"{FIXED + CHANGING} tokens, {CHANGING} of them new. Floor, estimated: {ms(least)}.\n\n"
        + table(["reply", "seconds", "times as fast as generate", "times the estimated floor"], rows)
        + f"\n\n{met}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=pick_device(), help="as torch names it (the best of this machine)")
    parser.add_argument("--layers", type=int, default=LAYERS, help=f"of {LAYERS}; fewer to try it out")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    write_section(
        f"The arch router on {given.device.partition(':')[0]}", measure(given.device, given.layers, given.rounds)
    )
