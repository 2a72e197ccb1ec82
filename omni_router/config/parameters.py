"""The parameters of a route: how its models are called, and the limits on which models those may be."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Prefer = Literal["best", "balanced", "cheapest", "fastest"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
PREFER: tuple[Prefer, ...] = get_args(Prefer)
EFFORTS: tuple[ReasoningEffort, ...] = get_args(ReasoningEffort)

MAX_TEMPERATURE = 2
MAX_NUMBER = sys.float_info.max  # any number but infinity
EVERY_ROUTE = "*"  # the name of the entry whose parameters hold for all routes

PREFER_ALLOWED = f"one of {', '.join(PREFER)}, or a number of at least 0"
PRICE_ALLOWED = "a number of US dollars for a million tokens, at least 0"
PATTERNS = "patterns like org/*, org/name or *:provider"
GLOBS_ALLOWED = f"an array of {PATTERNS}"


@dataclass(frozen=True)
class RouteParameters:
    """What an entry of the policy says beside its name, task and examples; None where it says nothing."""

    system: str | None = None  # instructions for the model, unless the conversation has its own
    temperature: float | None = None
    max_new_tokens: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    prefer: Prefer | float | None = None
    only: tuple[tuple[str, ...], ...] = ()  # a model has to match a pattern of each group
    never: tuple[str, ...] = ()
    max_price: float | None = None  # US dollars for a million tokens
    boards: tuple[str, ...] | None = None  # datasets with a leaderboard, that say which models suit the route

    def over(self, general: "RouteParameters") -> "RouteParameters":
        """Return these parameters, and for what they leave out the general ones; limits of both hold."""
        limits: dict[str, Any] = {
            "only": self.only + general.only,
            "never": self.never + general.never,
            "max_price": lower_price(self.max_price, general.max_price),
        }
        for field in fields(self):
            if field.name not in limits and getattr(self, field.name) is None:
                limits[field.name] = getattr(general, field.name)
        return replace(self, **limits)

    def as_json(self) -> dict[str, Any]:
        """Return what is set, by the keys of the policy; `only` as a list of groups."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}


NO_PARAMETERS = RouteParameters()
_CLOSED = "nothing, until "  # how a pattern begins that stands in for a limit that cannot be read, and matches nothing


def lower_price(one: float | None, other: float | None) -> float | None:
    """Return the lower of two limits; None if there is none."""
    return min((price for price in (one, other) if price is not None), default=None)


def read_parameters(raw: Mapping[str, Any], warnings: list[str]) -> RouteParameters:
    """Read the parameters of an entry; one that is wrong is reported in `warnings`.

    It is then ignored, but for a limit: until that is mended, no model is called.
    """
    values: dict[str, Any] = {}
    closed: tuple[tuple[str, ...], ...] = ()
    for key, (read, allowed) in PARAMETERS.items():
        if raw.get(key) is None:
            continue
        try:
            values[key] = read(raw[key])
        except ValueError:
            effect = "is ignored"
            if key in LIMITS:
                effect = "allows no model"
                closed = (*closed, (f"{_CLOSED}{key} is {allowed}",))
            warnings.append(f'"{key}" of route {raw["name"].strip()!r} {effect}: {raw[key]!r} is not {allowed}')
    values["only"] = (*values.get("only", ()), *closed)
    return RouteParameters(**values)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _number(lowest: float, highest: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise ValueError
        return float(value)

    return read


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError
    return value


def _effort(value: object) -> ReasoningEffort:
    for effort in EFFORTS:
        if effort == value:
            return effort
    raise ValueError


def read_prefer(value: object) -> Prefer | float:
    """Read a word of `PREFER`, or a number.

    Raises:
        ValueError: it is neither.
    """
    for word in PREFER:
        if word == value:
            return word
    return _number(0, MAX_NUMBER)(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 (as all readers)
    return tuple(map(_text, value))


def _one_group(value: object) -> tuple[tuple[str, ...], ...]:
    group = _texts(value)
    if not group:
        return ()
    return (group,)


LIMITS = ("only", "never", "max_price")
# The keys of an entry: how each is read, which raises ValueError, and what is allowed.
PARAMETERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "system": (_text, "a text"),
    "temperature": (_number(0, MAX_TEMPERATURE), f"a number from 0 to {MAX_TEMPERATURE}"),
    "max_new_tokens": (_count, "a whole number of at least 1"),
    "reasoning_effort": (_effort, f"one of {', '.join(EFFORTS)}"),
    "prefer": (read_prefer, PREFER_ALLOWED),
    "only": (_one_group, GLOBS_ALLOWED),
    "never": (_texts, GLOBS_ALLOWED),
    "max_price": (_number(0, MAX_NUMBER), PRICE_ALLOWED),
    "boards": (_texts, "an array of ids of datasets"),
}


def matches(pattern: str, model: str, provider: str | None) -> bool:
    """Return whether a pattern like org/*, *:provider or org/name:provider fits a model, at a provider if one is given.

    Small and capital letters are the same.
    """
    of_model, colon, of_provider = pattern.casefold().partition(":")
    if not fnmatchcase(model.casefold(), of_model):
        return False
    return not colon or (provider is not None and fnmatchcase(provider.casefold(), of_provider))


def is_closed(pattern: str) -> bool:
    """Return whether a pattern stands in for a limit that cannot be read."""
    return pattern.startswith(_CLOSED)


# ---- as text: in an environment variable, a flag, a header, or behind the name of a model


def parse_prefer(text: str) -> Prefer | float:
    """Parse a word of `PREFER`, or a number.

    Raises:
        ValueError: it is neither; the error says what is allowed.
    """
    word, number = text.strip().casefold(), _as_number(text)
    try:
        return read_prefer(word if number is None else number)
    except ValueError:
        raise ValueError(PREFER_ALLOWED) from None


def parse_price(text: str) -> float:
    """Parse a price.

    Raises:
        ValueError: it is not one; the error says what is allowed.
    """
    try:
        return _number(0, MAX_NUMBER)(_as_number(text))
    except ValueError:
        raise ValueError(PRICE_ALLOWED) from None


def parse_patterns(text: str) -> tuple[str, ...]:
    """Split patterns at commas.

    Raises:
        ValueError: there is none; the error says what is allowed.
    """
    patterns = tuple(filter(None, map(str.strip, text.split(","))))
    if not patterns:
        raise ValueError(f"a list of {PATTERNS}, separated by commas")
    return patterns


def parse_organization(text: str) -> str:
    """Parse the name of an organization on the Hub, which is sent in a header.

    Raises:
        ValueError: it is not a name; the error says what is allowed.
    """
    name = text.strip()
    letters = name.replace("-", "").replace("_", "").replace(".", "")
    if not (letters.isascii() and letters.isalnum()):
        raise ValueError("the name of an organization on the Hub: letters, digits, -, _ and .")
    return name


def split_prefer(name: str) -> tuple[str, Prefer | float | None]:
    """Split what is preferred off the end of a name such as `omni:cheapest`; None if there is nothing of that kind."""
    head, colon, tail = name.rpartition(":")
    if not colon:
        return name, None
    try:
        return head, parse_prefer(tail)
    except ValueError:
        return name, None


def _as_number(text: str) -> float | None:
    try:
        return float(text.strip().encode("ascii").decode())  # digits of other scripts are refused
    except ValueError:
        return None
