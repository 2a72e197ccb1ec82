"""The text of a route_config.json: its entries as JSON, and the layout in which they are written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omni_router.errors import PolicyFileError

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_ASCII_ENCODER = json.JSONEncoder()
NOTHING_KNOWN: Mapping[int, str] = MappingProxyType({})


def parse_entries(text: str, path: Path) -> list[dict[str, Any]]:
    """Read the text of a route_config.json, without what its entries mean.

    Raises:
        PolicyFileError: it is not a JSON array of objects with names of their own.
    """
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise PolicyFileError(path, f"not JSON: {error.msg} (column {error.colno})", error.lineno) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        raise PolicyFileError(path, f"cannot be read as JSON: {error}") from error
    if not isinstance(entries, list):
        raise PolicyFileError(path, "not a JSON array of routes", 1)
    keys = {key_of(entry) for entry in entries}
    if None in keys or len(keys) < len(entries):
        _raise_for_names(text, path)
    return entries


def key_of(entry: Any) -> str | None:
    """Return the case-folded name of an entry; None where it has none."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.strip():
        return None
    return name.strip().casefold()


def _raise_for_names(text: str, path: Path) -> None:
    """Raise for the first entry that has no name, or one that is used already, with its line.

    Raises:
        PolicyFileError: there is such an entry.
    """
    line_of: dict[str, int] = {}
    for entry, line in _elements(text):
        key = key_of(entry)
        if key is None:
            raise PolicyFileError(path, 'this entry has no "name"', line)
        if key in line_of:
            raise PolicyFileError(path, f"the name {entry['name']!r} is already used in line {line_of[key]}", line)
        line_of[key] = line


def _elements(text: str) -> Iterator[tuple[Any, int]]:
    """Split a JSON array into its elements, each with the line it starts in."""
    decoder = json.JSONDecoder()
    at, line, counted = text.index("[") + 1, 1, 0
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at  # counted from where the last element began
        element, at = decoder.raw_decode(text, at)
        yield element, line


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def format_entries(texts: Sequence[str]) -> str:
    """Join the texts of entries to that of a file."""
    if not texts:
        return "[]\n"
    return "[\n" + ",\n".join(texts) + "\n]\n"


def format_entry(entry: dict[str, Any], known: Mapping[int, str] = NOTHING_KNOWN) -> tuple[str, dict[int, str]]:
    """Format an entry to be read and edited: a line for each key, and for each element of an array.

    The same entry always has the same text, and two entries that differ never do.

    Args:
        entry: the entry.
        known: texts of elements by the identity of the element.

    Returns:
        The text, and those of all elements of its arrays.
    """
    lines = []
    texts: dict[int, str] = {}
    for key, value in entry.items():
        text = None
        if isinstance(value, list) and value:
            for element in value:
                texts[id(element)] = known.get(id(element)) or _format_element(element)
            elements = ",\n      ".join(texts[id(element)] for element in value)
            text = f"[\n      {elements}\n    ]"
        lines.append(f"    {_encode(key)}: {text or _encode(value)}")
    return "  {\n" + ",\n".join(lines) + "\n  }", texts


def _format_element(element: Any) -> str:
    """Format an element of an array in one line; each array within it, as the last calls of a model, begins another."""
    if not isinstance(element, dict):
        return _encode(element)
    lines: list[dict[str, Any]] = [{}]
    for key, value in element.items():
        if isinstance(value, list) and value and lines[-1]:
            lines.append({})
        lines[-1][key] = value
    return "{" + ",\n       ".join(_encode(line)[1:-1] for line in lines) + "}"


def _encode(value: Any) -> str:
    text = _ENCODER.encode(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return _ASCII_ENCODER.encode(value)
    return text
