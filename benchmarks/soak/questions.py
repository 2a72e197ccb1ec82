"""What the soak test asks: a request, what is to go wrong with it, how its client behaves, and how it may end."""

import random
from dataclasses import dataclass, replace
from typing import Literal

from omni_router._sandbox import FAULTS
from tests.nodes.test_fault_matrix import FINE, MATRIX, OTHER, TASKS

Leaves = Literal["stays", "cancels", "closes"]

ANSWERED = "answered"
# Texts for most routes of the default policy; the number keeps every cache of texts out, and tells answers apart.
TEXTS = (
    "In which year was element {0} of the catalogue discovered, and by whom?",
    "Hi there, it is day {0} of my journey. How are you?",
    "Write a Python function that returns the first {0} prime numbers.",
    "What is {0} times 17, plus 4? Show the steps.",
    "Translate to French: I would like to book table {0} for two.",
    "Write a short poem about lighthouse number {0}.",
    "Why does this crash? items = []; print(items[{0}])  IndexError: list index out of range",
    "Summarize in one sentence: the council voted on motion {0} to extend the tram line to the northern suburbs.",
)
DRAWN = "Draw a picture of a red fox with the number {0} on its back"
SEEN = "What is in this picture, number {0} of the series?"

FAULTY, AT_EACH_MODEL = 0.3, 0.25  # share of requests with a fault; share of these that fail at every model
LEAVING, STREAMED = 0.15, 0.4
DRAWN_SHARE, SEEN_SHARE = 0.05, 0.1  # the first, and the first two together
PATIENCE = 0.4  # seconds, at most, until a client cancels: an answer takes about a tenth of one


@dataclass(frozen=True)
class Question:
    """One request of the soak test."""

    number: int
    text: str
    picture: bool  # whether a picture is sent with it
    fault: str | None
    at_each_model: bool  # else the first model alone fails
    stream: bool
    leaves: Leaves
    patience: float  # seconds

    def ends(self, task: str) -> set[str]:
        """Return how its run may end: `answered`, or the kinds of error that its fault leads to."""
        if self.fault is None:
            return {ANSWERED}
        another, none = MATRIX[self.fault][TASKS.index(task)]
        kind, _, partial = (none if self.at_each_model else another).partition(", ")
        ends = {ANSWERED if kind in (OTHER, FINE) else kind}
        if partial and not self.at_each_model:  # an answer that is not streamed breaks off before its first word
            ends.add(ANSWERED)
        return ends


def make_question(seed: int, place: str, number: int) -> Question:
    """Make a place's question of this number; the same seed makes the same one."""
    chance = random.Random(f"{seed} {place} {number}")
    kind = chance.random()
    text = DRAWN if kind < DRAWN_SHARE else SEEN if kind < SEEN_SHARE else chance.choice(TEXTS)
    fault = chance.choice([*_specialist_faults()]) if chance.random() < FAULTY else None
    at_each_model = chance.random() < AT_EACH_MODEL
    directive = f" [[sandbox:{fault}{'' if at_each_model else '*1'}]]" if fault else ""
    stream = chance.random() < STREAMED
    leaves: Leaves = "stays"
    if chance.random() < LEAVING:
        leaves = chance.choice(["cancels", "closes"]) if stream else "cancels"
    return Question(
        number=number,
        text=f"{text.format(number)}{directive}",
        picture=text is SEEN,
        fault=fault,
        at_each_model=at_each_model,
        stream=stream,
        leaves=leaves,
        patience=chance.uniform(0, PATIENCE),
    )


def make_image_question(seed: int, place: str, number: int) -> Question:
    """Make a question that draws an image, or looks at one, without a fault."""
    drawn = number % 2 == 0
    asked = make_question(seed, place, number)
    text = (DRAWN if drawn else SEEN).format(number)
    return replace(asked, text=text, picture=not drawn, fault=None, leaves="stays")


def _specialist_faults() -> list[str]:
    """Return the faults that a prompt can ask for."""
    return [name for name, fault in FAULTS.items() if fault.where == "specialist"]
