"""The two tables that the choice of models is evaluated on: scores by category, and what providers charge."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from io import StringIO
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from omni_router.errors import ConfigurationError
from omni_router.evaluation.category_routes import is_aggregate
from omni_router.selection.scoring import mixed_price

T = TypeVar("T")

# Drawn by benchmarks/drawn_tables.py: no number in them is that of a real model.
SYNTHETIC_SCORES = Path(__file__).with_name("data") / "synthetic_scores.csv"
SYNTHETIC_PRICES = SYNTHETIC_SCORES.with_name("synthetic_prices.csv")

SCORE_COLUMNS = ("date", "category", "model", "open", "score")
PRICE_COLUMNS = ("model", "input", "output", "context", "released")
NEEDED_SCORES, NEEDED_PRICES = ("category", "model", "score"), ("model", "input", "output")
OPEN = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
LEAST_MODELS, LEAST_CATEGORIES = 2, 2
DATE_PARTS = (4, 2, 2)  # digits of year, month and day
MIDDLE = (7, 15)  # month and day, where they are missing

Scores = Mapping[str, Mapping[str, float]]
"""The score of each model, by category."""


class _ColumnError(ValueError):
    """A cell is wrong; the caller adds the place."""


@dataclass(frozen=True)
class ServedModel:
    """A model that providers serve."""

    id: str
    price: float | None = None  # US dollars for a million tokens, input and output mixed
    released: date | None = None
    trending: float | None = None  # its place among what is trending, 1 for the first


@dataclass(frozen=True)
class Tables:
    """The scores of served models at each date, and those models."""

    models: Mapping[str, ServedModel]
    scores: Mapping[str, Scores]  # by date
    not_served: int  # models with scores that cannot be chosen: not open, or without a row of prices

    @property
    def has_trending(self) -> bool:
        """Whether the table of prices has the places of what is trending."""
        return any(map(attrgetter("trending"), self.models.values()))


def read_tables(scores: Path, prices: Path) -> Tables:
    """Read both tables; a model is served if it is open and has a row in the table of prices.

    Raises:
        ConfigurationError: a table cannot be read, has a wrong line, or too little is left to choose from.
    """
    served = {model.id.casefold(): model for model in _rows(prices, NEEDED_PRICES, PRICE_COLUMNS, _served_model)}
    cells: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    others = set()
    for day, category, model, is_open, score in _rows(scores, NEEDED_SCORES, SCORE_COLUMNS, _score):
        if not is_open or model.casefold() not in served:
            others.add(model.casefold())
        elif score is not None:
            cells[day][category][served[model.casefold()].id].append(score)
    by_date = {day: kept for day, categories in sorted(cells.items()) if (kept := _usable(categories))}
    if not by_date:
        raise ConfigurationError(
            f"{scores}: at one date there must be {LEAST_CATEGORIES} categories or more, each with the scores of at "
            f"least {LEAST_MODELS} open models that have a row in {prices} under the same id"
        )
    return Tables(_with_scores(served, by_date), by_date, len(others))


def _usable(categories: Mapping[str, Mapping[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Return the categories that can be judged, with the median of duplicates: enough models, and no sum of others."""
    kept: dict[str, dict[str, float]] = {}
    for name, values in sorted(categories.items()):
        if len(values) >= LEAST_MODELS and not is_aggregate(name):
            kept[name] = {model: median(each) for model, each in values.items()}
    if len(kept) < LEAST_CATEGORIES:
        return {}
    return kept


def _with_scores(served: Mapping[str, ServedModel], by_date: Mapping[str, Scores]) -> dict[str, ServedModel]:
    scored: set[str] = set()
    for categories in by_date.values():
        scored.update(*categories.values())
    return {model.id: model for model in served.values() if model.id in scored}


def _rows(
    path: Path, needed: tuple[str, ...], columns: tuple[str, ...], parse: Callable[[dict[str, str]], T]
) -> Iterator[T]:
    """Yield the parsed rows of a table.

    Raises:
        ConfigurationError: the file cannot be read, lacks a column, has no rows, or has a wrong one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    reader = csv.DictReader(StringIO(text))
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigurationError(f"{path}:1: no column {', '.join(missing)}; the columns are {','.join(columns)}")
    count = 0
    try:
        for row in reader:
            count += 1
            yield parse({key: (value or "").strip() for key, value in row.items() if isinstance(key, str)})
    except (_ColumnError, csv.Error) as error:
        raise ConfigurationError(f"{path}:{reader.line_num}: {error}") from error
    if not count:
        raise ConfigurationError(f"{path}: the file has no rows; the columns are {','.join(columns)}")


def _score(row: dict[str, str]) -> tuple[str, str, str, bool, float | None]:
    is_open = OPEN.get(row.get("open", "1").casefold())
    if is_open is None:
        raise _ColumnError(f"open must be 1 (its weights are public) or 0, not {row['open']!r}")
    return row.get("date", ""), _text(row, "category"), _text(row, "model"), is_open, _number(row, "score")


def _served_model(row: dict[str, str]) -> ServedModel:
    input_price, output_price = _number(row, "input", least=0), _number(row, "output", least=0)
    price = None
    if input_price is not None and output_price is not None:
        price = mixed_price(input_price, output_price)
    return ServedModel(_text(row, "model"), price, _date(row.get("released", "")), _number(row, "trending", least=1))


def _text(row: dict[str, str], name: str) -> str:
    if not row[name]:
        raise _ColumnError(f"{name} must not be empty")
    return row[name]


def _number(row: dict[str, str], name: str, least: float = -math.inf) -> float | None:
    """Return a number; None for an empty cell."""
    text = row.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value >= least:
        return value
    allowed = "a number" if least == -math.inf else f"a number of at least {least:g}, or empty"
    raise _ColumnError(f"{name} must be {allowed}, not {text!r}")


def _date(text: str) -> date | None:
    """Return a date of which day, or month and day, may be missing: the middle of that time; None for an empty cell."""
    if not text:
        return None
    parts = text.split("-")
    digits = tuple(map(len, parts))
    wrong = _ColumnError(f"released must be YYYY-MM-DD, YYYY-MM, YYYY or empty, not {text!r}")
    if digits != DATE_PARTS[: len(parts)]:
        raise wrong
    try:
        year, month, day = (*map(int, parts), *MIDDLE[len(parts) - 1 :])
        return date(year, month, day)
    except ValueError:
        raise wrong from None
