"""How long the embedded router takes: warm, and from the start of a process, beside semantic-router.

python -m benchmarks.semantic --only time
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import cycle

import numpy as np

from benchmarks import aurelio
from benchmarks.cases import OWN, Case, own_data
from benchmarks.report import in_turns, ms, quantile, ratio, spread, table, write_section
from omni_router.config.environment import Environment
from omni_router.routers import Router
from omni_router.routers.semantic.checkpoint_source import CheckpointSource, packaged_model
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.language import LanguageDetector
from omni_router.routers.semantic.router import default_encoder
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.services.router import choose_router

OURS, ENCODER = "semantic", "its encoder alone"
# semantic-router with the published embeddings, by what computes them.
SAME, FLOAT, TORCH = (f"{aurelio.NAME}, {by}" for by in ("ONNX Runtime, int8", "ONNX Runtime, float32", "torch"))
TOKENS, STARTS = 64, 3
LIMIT = 0.008  # seconds, the median for prompts of up to TOKENS


def times() -> None:
    """Time starts and warm answers, and write how long they take."""
    starts = time_starts() if aurelio.installed() else ""  # first: a process starts with its parent's peak of memory
    cases = short_prompts()
    every = contestants(cases)
    # Alone first: other models' weights in turn with ours would push each other out of the processor's cache.
    warm = in_turns({name: every[name] for name in (OURS, ENCODER)}, len(cases))
    about = (
        f"The {len(cases)} English single requests of the own set of at most {TOKENS} tokens, each once, on the "
        "default policy."
    )
    met = "yes" if statistics.median(warm[OURS]) <= LIMIT else "no"
    row = [*(ms(quantile(warm[OURS], share)) for share in (0.5, 0.95, 0.99)), spread(warm[ENCODER])]
    head = ["p50", "p95", "p99", ENCODER, f"p50 at most {ms(LIMIT)}"]
    write_section("The embedded router: time", f"{about}\n\n{table(head, [[*row, met]])}")
    if not aurelio.installed():
        return
    warm = in_turns(every, len(cases))
    rows = [
        [name, ms(quantile(warm[name], 0.5)), ms(quantile(warm[name], 0.95)), ratio(warm[OURS], warm[name])]
        for name in warm
        if name != ENCODER
    ]
    answers = table(["router", "p50", "p95", f"{OURS} to it"], rows)
    write_section("The embedded router against semantic-router: time", f"{about} {ABOUT}\n\n{answers}\n\n{starts}")


def time_starts() -> str:
    """Time the first answers of fresh processes; return a text with their table."""
    memory: dict[str, list[int]] = {OURS: [], aurelio.NAME: []}
    starts = in_turns({name: partial(start, name, memory[name]) for name in memory}, STARTS, warmup=0)
    rows: list[list[str]] = []
    for name, sizes in memory.items():
        size = f"{statistics.median(sizes):.0f} MB ({min(sizes)} to {max(sizes)})"
        rows.append([name, spread(starts[name]), ratio(starts[name], starts[aurelio.NAME]), size])
    head = ["router", "first answer", f"to {aurelio.NAME}", "peak memory"]
    return f"{ABOUT_STARTS}\n\n{table(head, rows)}"


def contestants(cases: list[Case]) -> dict[str, Callable[[], object]]:
    """Make what is timed: in each round everyone gets the same prompt."""
    encoder, ours = default_encoder(), shipped_router()
    own, alone = cycle(cases), cycle(cases)

    def reply() -> object:
        case = next(own)
        return ours.reply(case.conversation, case.routes)

    made: dict[str, Callable[[], object]] = {OURS: reply, ENCODER: lambda: encoder.encode([next(alone).text])}
    if not aurelio.installed():
        return made
    encoders: dict[str, Encoder] = {SAME: SentenceEncoder(precision="int8"), FLOAT: SentenceEncoder()}
    if find_spec("torch"):
        encoders[TORCH] = torch_encoder()
    utterances = Remembering(SentenceEncoder(precision="int8"))
    for name, each in encoders.items():
        made[name] = partial(ask_theirs, their_router(each, utterances, cases), cycle(cases))
    return made


def ask_theirs(router: Callable[[str], object], cases: "cycle[Case]") -> object:
    """Ask semantic-router for the next request."""
    return router(next(cases).text)


def their_router(encoder: Encoder, utterances: Encoder, cases: list[Case]) -> Callable[[str], object]:
    """Make semantic-router with an encoder for requests, and one for its utterances."""
    switch = Switch(utterances)
    router: Callable[[str], object] = aurelio.indexed_router(switch, cases[0].routes)
    switch.encoder = encoder
    return router


class Remembering:
    """An encoder that embeds each text once, whoever asks."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}

    @property
    def name(self) -> str:
        """Return the name of the encoder inside."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, and embed only those that are new."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._vectors]:
            self._vectors.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._vectors[text] for text in texts])


class Switch:
    """An encoder that can be replaced by another one with nearly the same vectors."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @property
    def name(self) -> str:
        """Return the name of the encoder inside."""
        return self.encoder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the encoder inside."""
        return self.encoder.encode(texts)


def torch_encoder() -> SentenceEncoder:
    """Return the encoder with the published embeddings, computed by torch."""
    from omni_router.routers.semantic.torch_model import load_transformer

    encoder = SentenceEncoder()
    checkpoint = replace(encoder.load(), transformer=load_transformer(CheckpointSource(str(packaged_model())), ""))
    encoder.load = lambda: checkpoint  # type: ignore[method-assign]
    return encoder


def shipped_router() -> Router:
    """Return the embedded router with all that ships, and nothing that an earlier process has left."""
    with tempfile.TemporaryDirectory() as folder:
        return choose_router(Environment.read(variables={"OMNI_ROUTER": "semantic", "OMNI_CACHE_DIR": folder}))


def short_prompts() -> list[Case]:
    """Return the English requests of the own set that are one turn without an image, of at most TOKENS tokens."""
    tokenize, detector = SentenceEncoder().load().transformer.tokenize, LanguageDetector()
    single = [case for case in own_data(OWN).cases if case.plain and detector.detect(case.text).is_english]
    return [case for case in single if len(tokenize([case.text])[0]) <= TOKENS]


def start(name: str, memory: list[int]) -> None:
    """Run a fresh process up to its first answer, and note its memory."""
    command = [sys.executable, "-m", "benchmarks.semantic_times", name]
    memory.append(int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))  # noqa: S603


def first_answer(name: str) -> None:
    """Answer one request in this process, and print the most memory it took, in MB."""
    case = own_data(OWN).cases[0]
    if name == OURS:
        shipped_router().reply(case.conversation, case.routes)
    else:
        aurelio.indexed_router(SentenceEncoder(), case.routes)(case.text)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20)


ABOUT = f"""\
In turns, each with a model of its own. {aurelio.NAME} has the published embeddings, computed as its row says; \
{OURS} computes with int8, and adds the middle layer, the words and the calibration."""
ABOUT_STARTS = f"""\
The first answer is that of a fresh process, from its start to its end, {STARTS} of each, with an empty cache folder. \
{OURS} brings the vectors of the policy's texts and the fits of its heads; {aurelio.NAME} embeds its utterances, with \
ONNX Runtime and float32."""

if __name__ == "__main__":
    first_answer(sys.argv[1])
