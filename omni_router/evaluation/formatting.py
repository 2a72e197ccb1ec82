"""How figures are written, in every report."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table: the first column is text, the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Write a share with three digits, a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def between(ends: Sequence[float] | None) -> str:
    """Write an interval."""
    return "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def quoted(text: str) -> str:
    """Write what was asked so that it breaks neither a line nor a list of Markdown."""
    short = textwrap.shorten(text, 100, placeholder="...") or "(a picture)"
    return f'"{short.replace("`", chr(39))}"'.encode("utf-8", "replace").decode()


def without_empty(squares: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out of confusion matrices the routes for which none of them counts anything."""
    routes = squares[0]["routes"]
    kept = [place for place in range(len(routes)) if any(_counts(square, place) for square in squares)]
    return [
        {
            "routes": [routes[place] for place in kept],
            "counts": [[square["counts"][row][column] for column in (*kept, -1)] for row in kept],
        }
        for square in squares
    ]


def _counts(square: Mapping[str, Any], place: int) -> bool:
    return any(square["counts"][place]) or any(row[place] for row in square["counts"])


def requests(n: int) -> str:
    """Count requests in words."""
    return f"{n} request{'' if n == 1 else 's'}"
