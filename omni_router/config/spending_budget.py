"""How much money the runs may spend, as OMNI_BUDGET says: `0.50/thread`, `5/day`, or both."""

from dataclasses import dataclass, fields, replace

from omni_router.config.parsing import number
from omni_router.costs import is_amount

ALLOWED = "US dollars a thread, a day, or both, such as 0.50/thread,5/day"

NEAR = 0.8  # from this share of a budget on, the cheapest provider of a model is chosen

_amount = number(float, lambda dollars: dollars > 0 and is_amount(dollars), ALLOWED)


@dataclass(frozen=True)
class Budget:
    """The limits on what is spent, in US dollars; None where there is none."""

    thread: float | None = None
    day: float | None = None  # in UTC


NO_BUDGET = Budget()


def read_budget(text: str) -> Budget:
    """Read limits, each once, separated by commas.

    Raises:
        ValueError: the text is nothing of that form; the error says what is allowed.
    """
    budget = NO_BUDGET
    spans = [field.name for field in fields(Budget)]
    for part in text.split(","):
        dollars, _, span = part.strip().partition("/")
        span = span.strip()
        if span not in spans or getattr(budget, span) is not None:
            raise ValueError(ALLOWED)
        budget = replace(budget, **{span: _amount(dollars.strip())})
    return budget
