"""What a prompt costs with each encoder, by its length, and what memory each encoder takes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import cycle

from benchmarks.load_memory import resident
from benchmarks.report import in_turns, spread, table, write_section
from benchmarks.request_sets import RequestSet
from omni_router.evaluation.run import route_options
from omni_router.routers.semantic.encoder import Encoder
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import default_encoder

LENGTHS = (30, 130, 500, 2_000)  # characters
PROMPTS = 20  # of each length
MIB = 2**20
NAMES = {"en": "all-MiniLM-L6-v2", "de": "universal-sentence-encoder-multilingual"}  # a language that each one reads


def write_costs(router: MultilingualRouter, own: RequestSet) -> None:
    """Time prompts of each length, weigh the encoders, and write both."""
    encoders: dict[str, Encoder] = {"en": router.encoder, "de": router.others.encoder}
    options = route_options(own.requests[0].item, own.document)
    rows: list[list[str]] = []
    for language, encoder in encoders.items():
        texts = [each.item.text for each in own.requests if each.language == language]
        for length in LENGTHS:
            spoken = prompts(texts, length)
            seen, read = cycle(spoken), cycle(spoken)
            contestants: dict[str, Callable[[], object]] = {
                "encoder": lambda encoder=encoder, seen=seen: encoder.encode([next(seen)]),  # type: ignore[misc]
                "reply": lambda read=read: router.reply([{"role": "user", "content": next(read)}], options),  # type: ignore[misc]
            }
            times = in_turns(contestants, PROMPTS, warmup=3, clock=time.process_time)
            rows.append([NAMES[language], str(length), spread(times["encoder"]), spread(times["reply"])])
    head = ["encoder", "characters", "CPU of the encoder", "CPU of the whole choice"]
    memory = table(["a process that has", "resident memory"], [[name, f"{size} MiB"] for name, size in _memory()])
    write_section("The encoders: time and memory", f"{ABOUT}\n\n{table(head, rows)}\n\n{memory}")


def prompts(texts: Iterable[str], length: int) -> list[str]:
    """Return PROMPTS different texts of a length, put together from others."""
    line = " ".join(" ".join(text.split()) for text in texts)
    whole = f"{line} " * (1 + (length + PROMPTS * length) // len(line))
    return [whole[start : start + length] for start in range(0, PROMPTS * length, length)]


def _memory() -> list[tuple[str, int]]:
    """Return the memory of a fresh process after each step, in MiB."""
    command = [sys.executable, "-m", "benchmarks.encoder_costs"]
    steps: dict[str, int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603
    return list(steps.items())


def _weigh() -> dict[str, int]:
    """Load one encoder after the other in this process, and return its memory after each."""
    sizes = {"imported the router": resident(os.getpid()) // MIB}
    english, others = default_encoder(), MultilingualEncoder()
    english.encode(["Draw a lighthouse."])
    sizes[f"loaded {NAMES['en']}"] = resident(os.getpid()) // MIB
    others.encode(["Zeichne einen Leuchtturm."])
    sizes["loaded both encoders"] = resident(os.getpid()) // MIB
    return sizes


ABOUT = f"""\
Seconds of a processor, for {PROMPTS} prompts of each length that were put together from requests of the own set, with
the default policy; everything is loaded. Both encoders read 254 word pieces at most. The memory is that of one process
that loads one encoder after the other and embeds a sentence with each, without a head."""

if __name__ == "__main__":
    print(json.dumps(_weigh()))
