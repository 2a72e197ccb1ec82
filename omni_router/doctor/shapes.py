"""Shapes of JSON, and where a value differs from one, field by field."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

MAX_SHOWN = 40  # characters of a value
_ABSENT = "missing"


class Difference(NamedTuple):
    """A field that is not as expected; all elements of a list count as one field."""

    field: str  # such as data[].providers[].pricing.input
    expected: str
    found: str
    times: int

    def __str__(self) -> str:
        """Return it as a sentence."""
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.field or 'the answer'}: expected {self.expected}, found {self.found}{times}"


@dataclass
class Comparison:
    """What differs so far, and which keys were met that no shape names.

    Args:
        shows_values: whether differences quote values; not where they may be personal.
    """

    shows_values: bool = True
    new_fields: set[str] = field(default_factory=set)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _found: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def differences(self) -> list[Difference]:
        """All differences, each field once for what it should be, with the first value found there."""
        return [Difference(*key, self._found[key], count) for key, count in self._counts.items()]

    def note(self, path: str, expected: str, value: object) -> None:
        """Note that a value is not what is expected."""
        self.note_text(path, expected, describe(value, shows_value=self.shows_values))

    def note_missing(self, path: str, expected: str) -> None:
        """Note that a field is missing."""
        self.note_text(path, expected, _ABSENT)

    def note_text(self, path: str, expected: str, found: str) -> None:
        """Note a difference in words."""
        self._counts[path, expected] += 1
        self._found.setdefault((path, expected), found)


class Shape(Protocol):
    """What a value should be."""

    @property
    def expected(self) -> str:
        """The shape in words."""
        ...

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note in `comparison` where a value differs; `path` is that of the value."""
        ...


@dataclass(frozen=True)
class Text:
    """A string, one of `choices` if there are any."""

    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The shape in words."""
        return " or ".join(self.choices) or "text"

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that is not a string, or not one of the choices."""
        if not isinstance(value, str) or (self.choices and value not in self.choices):
            comparison.note(path, self.expected, value)


@dataclass(frozen=True)
class Number:
    """A number that is not absurd: within its bounds."""

    low: float = 0
    high: float = 1e12

    @property
    def expected(self) -> str:
        """The shape in words."""
        return f"a number from {self.low:g} to {self.high:g}"

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that is not a number, or out of its bounds."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            comparison.note(path, self.expected, value)


@dataclass(frozen=True)
class YesOrNo:
    """A boolean."""

    expected: str = "true or false"

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that is not a boolean."""
        if not isinstance(value, bool):
            comparison.note(path, self.expected, value)


@dataclass(frozen=True)
class Null:
    """The value null."""

    expected: str = "null"

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note any other value."""
        if value is not None:
            comparison.note(path, self.expected, value)


@dataclass(frozen=True)
class Either:
    """One of several shapes."""

    shapes: tuple[Shape, ...]

    @property
    def expected(self) -> str:
        """The shape in words."""
        return ", or ".join(shape.expected for shape in self.shapes)

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that fits none of the shapes; what differs inside an object or a list is noted there."""
        for shape in self.shapes:
            attempt = Comparison()
            shape.compare(value, "", attempt)
            if not attempt.differences:
                shape.compare(value, path, comparison)
                return
        for shape in self.shapes:
            if isinstance(shape, Items | Fields) and shape.holds(value):
                shape.compare(value, path, comparison)
                return
        comparison.note(path, self.expected, value)


@dataclass(frozen=True)
class Items:
    """A list of at least so many values of one shape."""

    item: Shape
    least: int = 1

    @property
    def expected(self) -> str:
        """The shape in words."""
        return f"a list of at least {self.least}" if self.least else "a list"

    def holds(self, value: object) -> bool:
        """Return whether a value is a list at all."""
        return isinstance(value, list)

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that is not a list, or too short, and whatever differs in its items."""
        if not isinstance(value, list) or len(value) < self.least:
            comparison.note(path, self.expected, value)
            return
        for item in value:
            self.item.compare(item, f"{path}[]", comparison)


@dataclass(frozen=True)
class Fields:
    """An object with these keys. Further keys are noted as new; with `open_ended` they are not worth a note."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    open_ended: bool = False
    expected: str = "an object"

    def holds(self, value: object) -> bool:
        """Return whether a value is an object at all."""
        return isinstance(value, dict)

    def compare(self, value: Any, path: str, comparison: Comparison) -> None:
        """Note a value that is not an object, keys that are missing, and whatever differs in the others."""
        if not isinstance(value, dict):
            comparison.note(path, self.expected, value)
            return
        shapes = {**self.optional, **self.required}
        for key, shape in shapes.items():
            place = f"{path}.{key}" if path else key
            if key in value:
                shape.compare(value[key], place, comparison)
            elif key in self.required:
                comparison.note_missing(place, shape.expected)
        if not self.open_ended:
            prefix = f"{path}." if path else ""
            comparison.new_fields.update(f"{prefix}{key}" for key in value.keys() - shapes.keys())


def describe(value: object, *, shows_value: bool = True) -> str:
    """Return what a value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:5])) or 'no keys'}"[: 2 * MAX_SHOWN]
    kind = "a number" if isinstance(value, int | float) and not isinstance(value, bool) else "text"
    if isinstance(value, bool):
        kind = "a boolean"
    return f"{kind}, {str(value)[:MAX_SHOWN]!r}" if shows_value else kind
