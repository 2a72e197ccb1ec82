"""How figures are written, in every report."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table: the first column is text, the others are numbers."""
    alignment = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(map(_table_line, (head, alignment, *rows)))


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(lines: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def number(value: float | None) -> str:
    """Return a figure with three digits, a dash for None."""
    if value is None:
        return "-"
    return f"{value:.3f}"


def percent(value: float) -> str:
    """Return a share as a whole percentage."""
    return f"{100 * value:.0f} %"


def milliseconds(value: float | None) -> str:
    """Return a duration without its unit, a dash for None."""
    if value is None:
        return "-"
    return f"{value:.0f}"


def interval(ends: Sequence[float] | None) -> str:
    """Return an interval, a dash for None."""
    if ends is None:
        return "-"
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def quote(text: str) -> str:
    """Return a request in quotation marks, such that it breaks neither a line nor a list of Markdown."""
    short = textwrap.shorten(text, 100, placeholder="...") or "(an image)"
    without_backticks = short.replace("`", "'")
    return f'"{without_backticks}"'.encode("utf-8", "replace").decode()


def requests(n: int) -> str:
    """Return a number of requests in words."""
    if n == 1:
        return "1 request"
    return f"{n} requests"


def drop_empty_routes(matrices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return confusion matrices without the routes for which all of them have nothing but zeros."""
    routes = matrices[0]["routes"]
    places = [place for place in range(len(routes)) if _is_used(matrices, place)]
    return [_submatrix(matrix, places) for matrix in matrices]


def _is_used(matrices: Sequence[Mapping[str, Any]], place: int) -> bool:
    """Check whether a route has requests, or was predicted for some."""
    for matrix in matrices:
        row, column = matrix["counts"][place], map(itemgetter(place), matrix["counts"])
        if any(row) or any(column):
            return True
    return False


def _submatrix(matrix: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Return the rows and columns at these places; the last column, replies without a route, always stays."""
    columns = itemgetter(*places, -1)
    routes, counts = [], []
    for place in places:
        routes.append(matrix["routes"][place])
        counts.append(list(columns(matrix["counts"][place])))
    return {"routes": routes, "counts": counts}
