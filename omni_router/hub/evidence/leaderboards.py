"""The Hub's official benchmarks and the rows of a board, as plain JSON: a malformed row costs that row alone."""

import json
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from typing_extensions import TypedDict

from omni_router.hub.evidence.snapshot import (
    EXCLUDED_SOURCE,
    MALFORMED,
    OTHER_TASK,
    PULL_REQUEST,
    QUANTISED,
    TOO_MANY,
    WITH_NOTES,
    BoardRow,
)
from omni_router.model_id import is_model_id

OFFICIAL = "benchmark:official"  # the filter of /api/datasets
MAX_BOARDS = 100  # there are about 40
MAX_ROWS = 1000  # of a board
_ABSURD = 10**9  # larger than any value; JSON's numbers may have any number of digits
_TASK_KEYS = ("taskId", "task_id")  # not seen so far; the results of models have one
_EXCLUDED = "artificialanalysis"  # their terms do not allow products that select models

# The words that end the names of quantised copies; what they were made from stands before.
_QUANTISATIONS = frozenset(
    (
        *("fp4", "fp8", "nvfp4", "mxfp4", "mxfp8", "bf16", "int4", "int8", "w4a16", "w8a8", "w8a16", "nf4"),
        *("awq", "gptq", "gguf", "ggml", "bnb", "exl2", "exl3", "mlx", "onnx", "dwq", "quantized", "quant", "dynamic"),
        *("2bit", "3bit", "4bit", "5bit", "6bit", "8bit", "bit", "q4", "q5", "q6", "q8"),
    )
)


class BoardContent(TypedDict):
    """The rows of a board, as they are kept on disk."""

    rows: list[tuple[str, float, bool]]  # model, value, and whether there are notes
    lower_is_better: bool
    dropped: dict[str, int]  # rows that were left out, by why


def read_boards(body: object) -> list[str]:
    """Return the ids of the official benchmarks.

    Raises:
        ValueError: there is none.
    """
    entries = body if isinstance(body, list) else []
    ids = [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    boards = list(dict.fromkeys(name for name in ids if is_model_id(name)))  # datasets are named as models are
    if not boards:
        raise ValueError("the list of official benchmarks does not have the expected shape")
    return boards[:MAX_BOARDS]


def read_board(body: object) -> BoardContent:
    """Return the usable rows of a board.

    Raises:
        ValueError: the body is not an array, or none of its rows is a row of a board.
    """
    if not isinstance(body, list):
        raise ValueError("a board does not have the expected shape")  # noqa: TRY004 (of no type of ours)
    dropped: Counter[str] = Counter()
    if len(body) > MAX_ROWS:
        dropped[TOO_MANY] = len(body) - MAX_ROWS
    rows = _usable(body[:MAX_ROWS], dropped)
    if body and dropped[MALFORMED] == len(body[:MAX_ROWS]):
        raise ValueError("no row of a board has the expected shape")
    rows = _of_main_task(rows, dropped)
    values = [(row["modelId"], float(row["value"]), _has_notes(row)) for row in rows]
    kept = _without_copies(values)
    if len(kept) < len(values):
        dropped[QUANTISED] = len(values) - len(kept)
    lower = sum(row.get("lower_is_better") is True for row in rows)
    return BoardContent(rows=kept, lower_is_better=2 * lower > len(rows), dropped=dict(+dropped))


def board_rows(board: str, content: BoardContent) -> Iterable[BoardRow]:
    """Yield the rows of a board from what is kept of it."""
    lower_is_better = content["lower_is_better"] is True
    names = {False: board, True: board + WITH_NOTES}
    for model, value, has_notes in content["rows"]:
        name = names[has_notes]
        yield BoardRow(name, str(model), float(value), lower_is_better)


def _usable(body: list[Any], dropped: Counter[str]) -> list[dict[str, Any]]:
    """Return the rows that may be used, and count why the others may not."""
    rows: list[dict[str, Any]] = []
    for row in body:
        why = _why_left_out(row)
        if why is None:
            rows.append(row)
        else:
            dropped[why] += 1
    return rows


def _why_left_out(row: object) -> str | None:
    if not isinstance(row, dict):
        return MALFORMED
    model, value = row.get("modelId"), row.get("value")
    if not isinstance(model, str) or not is_model_id(model) or not is_value(value):
        return MALFORMED
    if row.get("pullRequest") is not None:
        return PULL_REQUEST
    origin = json.dumps([row.get("source"), row.get("notes")], ensure_ascii=False)
    letters = filter(str.isalnum, origin.casefold())
    if _EXCLUDED in "".join(letters):
        return EXCLUDED_SOURCE
    return None


def is_value(value: object) -> bool:
    """Return whether a value of JSON is a number that can be counted with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _ABSURD  # which infinity is not, nor what is not a number


def _of_main_task(rows: list[dict[str, Any]], dropped: Counter[str]) -> list[dict[str, Any]]:
    """Return the rows of the task that most rows name, if a benchmark has several, and count the others."""
    main, _ = max(Counter(map(_task, rows)).items(), key=itemgetter(1), default=("", 0))
    kept = [row for row in rows if _task(row) == main]
    dropped.update({OTHER_TASK: len(rows) - len(kept)})
    return kept


def _task(row: dict[str, Any]) -> str:
    for key in _TASK_KEYS:
        if isinstance(task := row.get(key), str):
            return task
    return ""


def _has_notes(row: dict[str, Any]) -> bool:
    notes = row.get("notes")
    return bool(notes.strip() if isinstance(notes, str) else notes)


def _without_copies(values: list[tuple[str, float, bool]]) -> list[tuple[str, float, bool]]:
    """Leave out quantised copies, which carry the value of the model that they were made from."""
    originals = {(_name(model), value, has_notes) for model, value, has_notes in values}
    kept = []
    for model, value, has_notes in values:
        name = _name(model)
        original = _without_quantisation(name)
        if original == name or (original, value, has_notes) not in originals:
            kept.append((model, value, has_notes))
    return kept


def _name(model: str) -> tuple[str, ...]:
    name = model.rpartition("/")[2].casefold()
    return tuple(name.replace("_", "-").replace(".", "-").split("-"))


def _without_quantisation(name: tuple[str, ...]) -> tuple[str, ...]:
    while len(name) > 1 and (name[-1] in _QUANTISATIONS or (name[-1].isdecimal() and name[-2] in _QUANTISATIONS)):
        name = name[:-1]
    return name
