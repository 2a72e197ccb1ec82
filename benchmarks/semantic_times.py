"""How long the embedded router takes: warm, and from the start of a process, beside semantic-router."""

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import cycle

from benchmarks import aurelio
from benchmarks.cases import OWN, Case, own_data
from benchmarks.report import in_turns, ms, quantile, ratio, spread, table, write_section
from omni_router.routers.semantic.router import SemanticRouter, default_encoder
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

OURS, ENCODER = "semantic", "its encoder alone"
TOKENS, STARTS = 64, 5
LIMIT = 0.015  # seconds, the median for prompts of up to TOKENS


def times() -> None:
    """Time starts and warm answers, and write how long they take."""
    memory: dict[str, list[int]] = {OURS: [], **({aurelio.NAME: []} if aurelio.installed() else {})}
    starts = in_turns({name: partial(start, name, memory[name]) for name in memory}, STARTS, warmup=1)
    cases, encoder = short_prompts(), default_encoder()
    every = contestants(cases, encoder)
    # Alone first: another model's weights in turn with ours would push each other out of the processor's cache.
    warm = in_turns({name: every[name] for name in (OURS, ENCODER)}, len(cases))
    about = (
        f"The {len(cases)} single requests of the own set of at most {TOKENS} tokens, each once, on the default policy."
    )
    met = "yes" if statistics.median(warm[OURS]) <= LIMIT else "no"
    row = [*(ms(quantile(warm[OURS], share)) for share in (0.5, 0.95, 0.99)), spread(warm[ENCODER])]
    head = ["p50", "p95", "p99", ENCODER, f"p50 at most {ms(LIMIT)}"]
    write_section("The embedded router: time", f"{about}\n\n{table(head, [[*row, met]])}")
    if not aurelio.installed():
        return
    warm = in_turns(every, len(cases))
    rows = [
        [
            name,
            ms(quantile(warm[name], 0.5)),
            ms(quantile(warm[name], 0.95)),
            ratio(warm[name], warm[aurelio.NAME]),
            spread(starts[name]),
            ratio(starts[name], starts[aurelio.NAME]),
            f"{statistics.median(memory[name]):.0f} MB ({min(memory[name])} to {max(memory[name])})",
        ]
        for name in memory
    ]
    about += " In turns, each with a model of its own."
    about += f" The first answer is that of a fresh process, from its start to its end; {STARTS} of each."
    head = ["router", "p50", "p95", f"to {aurelio.NAME}", "first answer", "to it", "peak memory"]
    write_section("The embedded router against semantic-router: time", f"{about}\n\n{table(head, rows)}")


def contestants(cases: list[Case], encoder: SentenceEncoder) -> dict[str, Callable[[], object]]:
    """Make what is timed: in each round everyone gets the same prompt."""
    ours, turns = SemanticRouter(encoder), {name: cycle(cases) for name in (OURS, ENCODER, aurelio.NAME)}

    def reply() -> object:
        case = next(turns[OURS])
        return ours.reply(case.conversation, case.routes)

    made: dict[str, Callable[[], object]] = {
        OURS: reply,
        ENCODER: lambda: encoder.encode([next(turns[ENCODER]).text]),
    }
    if aurelio.installed():
        theirs = aurelio.indexed_router(SentenceEncoder(), cases[0].routes)
        made[aurelio.NAME] = lambda: theirs(next(turns[aurelio.NAME]).text)
    return made


def short_prompts() -> list[Case]:
    """Return the requests of the own set that are one turn without an image, of at most TOKENS tokens."""
    tokenize = SentenceEncoder().load().transformer.tokenize
    single = [case for case in own_data(OWN).cases if case.plain]
    return [case for case in single if len(tokenize([case.text])[0]) <= TOKENS]


def start(name: str, memory: list[int]) -> None:
    """Run a fresh process up to its first answer, and note its memory."""
    command = [sys.executable, "-m", "benchmarks.semantic_times", name]
    memory.append(int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))  # noqa: S603


def first_answer(name: str) -> None:
    """Answer one request in this process, and print the most memory it took, in MB."""
    case = own_data(OWN).cases[0]
    if name == OURS:
        SemanticRouter().reply(case.conversation, case.routes)
    else:
        aurelio.indexed_router(SentenceEncoder(), case.routes)(case.text)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20)


if __name__ == "__main__":
    first_answer(sys.argv[1])
