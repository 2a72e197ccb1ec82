"""Values for a JSON schema, from a prompt where it has fitting ones; no model is run, and nothing is random."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\.*\w)")
_QUOTED = re.compile(r"(?<!\w)'([^']+)'(?!\w)|\"([^\"]+)\"|“([^“”]+)”")
_NAME = re.compile(r"(?<=[^\s.!?:] )[A-Z][\w-]+(?:,? [A-Z][\w-]+)*")  # names that do not begin a sentence
_WHOLE_PROMPT = ("prompt", "query", "question", "request", "text", "message", "input", "task")  # get the whole text
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "sandbox@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_STEP = 1 / 1024  # the distance from an exclusive limit
_MAX_DEPTH = 8  # a schema may refer to itself


class SchemaFiller:
    """Fills in a schema; quotations, numbers and names of a prompt are used once each, in their order."""

    def __init__(self, schema: Mapping[str, Any], prompt: str, mark: str = "") -> None:
        """Read a prompt; texts that do not come from it begin with `mark`."""
        self._definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
        self._schema, self._prompt, self._mark = schema, prompt, mark
        self._quotations = ["".join(groups) for groups in _QUOTED.findall(prompt)]
        unquoted = _QUOTED.sub(" ", prompt)
        self._numbers = _NUMBER.findall(unquoted) or re.findall(r"\d+", prompt)
        self._names = _NAME.findall(unquoted)

    def fill(self, *, only_required: bool) -> Any:
        """Return a value for the schema; `only_required` leaves out the optional properties of objects."""
        return self._value("", self._schema, 0, only_required=only_required)

    def _value(self, name: str, unresolved: Any, depth: int, *, only_required: bool) -> Any:
        schema = self._resolve(unresolved)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth, only_required=only_required)
        if kind == "array":
            return self._array(name, schema, depth, only_required=only_required)
        return self._simple_value(name, schema, kind)

    def _simple_value(self, name: str, schema: Mapping[str, Any], kind: str) -> Any:
        if kind == "string":
            return self._text(name, schema)
        if kind == "integer":
            return self._number(schema, int)
        if kind == "number":
            return self._number(schema, float)
        if kind == "boolean":
            return True
        return None

    def _resolve(self, schema: Any) -> Mapping[str, Any]:
        """Follow references, and choose one of several alternatives."""
        if not isinstance(schema, Mapping):
            return {}
        if reference := schema.get("$ref"):
            return self._resolve(self._definitions.get(str(reference).rpartition("/")[2]))
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                return self._resolve(_first_with_a_value(schema[keyword]))
        if not schema.get("allOf"):
            return schema
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= self._resolve(part)
        return merged

    def _choice(self, choices: Sequence[Any]) -> Any:
        """Return the first value that the prompt mentions, else the first of all."""
        for choice in choices:
            if str(choice).casefold() in self._prompt.casefold():
                return choice
        return choices[0]

    def _object(self, schema: Mapping[str, Any], depth: int, *, only_required: bool) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = properties
        if only_required or depth > _MAX_DEPTH:
            names = schema.get("required", [])
        value = {}
        for name in names:
            value[name] = self._value(name, properties.get(name), depth + 1, only_required=only_required)
        return value

    def _array(self, name: str, schema: Mapping[str, Any], depth: int, *, only_required: bool) -> list[Any]:
        items = self._resolve(schema.get("items"))
        count = least = schema.get("minItems", 1)
        if depth <= _MAX_DEPTH:
            count = max(least, 1)
            if _kind(items) in ("integer", "number"):
                count = max(least, len(self._numbers))
            count = min(count, schema.get("maxItems", count))
        return [self._value(name, items, depth + 1, only_required=only_required) for _ in range(count)]

    def _text(self, name: str, schema: Mapping[str, Any]) -> str:
        if known := _FORMATS.get(schema.get("format", "")):
            return known
        if self._quotations:
            text = self._quotations.pop(0)
        elif self._mark:
            text = f"{self._mark} {name or 'text'} for: {self._prompt}"
        elif self._names and name.casefold() not in _WHOLE_PROMPT:
            text = self._names.pop(0)
        else:
            text = self._prompt
        return str(text[: schema.get("maxLength")]).ljust(schema.get("minLength", 0), ".")

    def _number(self, schema: Mapping[str, Any], kind: type[int] | type[float]) -> float:
        number = schema.get("default", 1)
        if self._numbers:
            number = float(self._numbers.pop(0))
        step = 1 if kind is int else _STEP
        low = schema.get("minimum", schema.get("exclusiveMinimum", number - step) + step)
        high = schema.get("maximum", schema.get("exclusiveMaximum", number + step) - step)
        return kind(min(max(number, low), high))


def _first_with_a_value(options: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first alternative that is not null."""
    for option in options:
        if option.get("type") != "null":
            return option
    return options[0]


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((option for option in kind if option != "null"), "null")
    if kind in _TYPES:
        return str(kind)
    if "properties" in schema:
        return "object"
    return "string"
