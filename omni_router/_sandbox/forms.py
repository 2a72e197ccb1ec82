"""Values for a JSON schema, taken from a prompt where it has some that fit; no model is run, and no chance is in it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\.*\w)")
_QUOTED = re.compile(r"(?<!\w)'([^']+)'(?!\w)|\"([^\"]+)\"|“([^“”]+)”")
_NAME = re.compile(r"(?<=[^\s.!?:] )[A-Z][\w-]+(?:,? [A-Z][\w-]+)*")  # not at the beginning of a sentence
_WHOLE = ("prompt", "query", "question", "request", "text", "message", "input", "task")  # take all that was written
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "sandbox@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
_BESIDE = 1 / 1024  # of a limit that is not allowed itself
_DEEPEST = 8  # a schema may refer to itself


class Form:
    """Fills in a schema; what a prompt quotes, counts and names is used once each, in its order."""

    def __init__(self, schema: Mapping[str, Any], prompt: str, mark: str = "") -> None:
        """Take what is to be filled in, from what, and what texts that are not taken from it begin with."""
        self._definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
        self._schema, self._prompt, self._mark = schema, prompt, mark
        self._quoted = [next(filter(None, match)) for match in _QUOTED.findall(prompt)]
        unquoted = _QUOTED.sub(" ", prompt)
        self._numbers = _NUMBER.findall(unquoted) or re.findall(r"\d+", prompt)
        self._names = _NAME.findall(unquoted)

    def filled(self, *, only_required: bool) -> Any:
        """Give a value for the schema; `only_required` leaves out what an object need not have."""
        return self._value("", self._schema, 0, only_required=only_required)

    def _value(self, name: str, given: Any, depth: int, *, only_required: bool) -> Any:
        schema = self._resolved(given)
        if "const" in schema:
            return schema["const"]
        if choices := schema.get("enum"):
            said = self._prompt.casefold()
            return next((each for each in choices if str(each).casefold() in said), choices[0])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth, only_required=only_required)
        if kind == "array":
            return self._array(name, schema, depth, only_required=only_required)
        simple: dict[str, Callable[[], Any]] = {
            "string": lambda: self._text(name, schema),
            "integer": lambda: self._number(schema, int),
            "number": lambda: self._number(schema, float),
            "boolean": lambda: True,
            "null": lambda: None,
        }
        return simple[kind]()

    def _resolved(self, given: Any) -> Mapping[str, Any]:
        schema = given if isinstance(given, Mapping) else {}
        if reference := schema.get("$ref"):
            return self._resolved(self._definitions.get(str(reference).rpartition("/")[2]))
        for several in ("anyOf", "oneOf"):
            if options := schema.get(several):
                return self._resolved(next((each for each in options if each.get("type") != "null"), options[0]))
        if parts := schema.get("allOf"):
            return {key: value for part in parts for key, value in self._resolved(part).items()}
        return schema

    def _object(self, schema: Mapping[str, Any], depth: int, *, only_required: bool) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        wanted = required if only_required or depth > _DEEPEST else properties
        return {
            name: self._value(name, properties.get(name), depth + 1, only_required=only_required) for name in wanted
        }

    def _array(self, name: str, schema: Mapping[str, Any], depth: int, *, only_required: bool) -> list[Any]:
        items = self._resolved(schema.get("items"))
        least = schema.get("minItems", 1)
        count = max(least, len(self._numbers)) if _kind(items) in ("integer", "number") else max(least, 1)
        count = min(count, schema.get("maxItems", count)) if depth <= _DEEPEST else least
        return [self._value(name, items, depth + 1, only_required=only_required) for _ in range(count)]

    def _text(self, name: str, schema: Mapping[str, Any]) -> str:
        if known := _FORMATS.get(schema.get("format", "")):
            return known
        if self._quoted:
            text = self._quoted.pop(0)
        elif self._mark:
            text = f"{self._mark} {name or 'text'} for: {self._prompt}"
        elif self._names and name.casefold() not in _WHOLE:
            text = self._names.pop(0)
        else:
            text = self._prompt
        return str(text[: schema.get("maxLength")]).ljust(schema.get("minLength", 0), ".")

    def _number(self, schema: Mapping[str, Any], kind: type[int] | type[float]) -> float:
        found = float(self._numbers.pop(0)) if self._numbers else schema.get("default", 1)
        beside = 1 if kind is int else _BESIDE
        low = schema.get("minimum", schema.get("exclusiveMinimum", found - beside) + beside)
        high = schema.get("maximum", schema.get("exclusiveMaximum", found + beside) - beside)
        return kind(min(max(found, low), high))


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = next((kind for kind in kinds if kind != "null"), "null")
    if kinds in ("object", "array", "string", "integer", "number", "boolean", "null"):
        return str(kinds)
    return "object" if "properties" in schema else "string"
