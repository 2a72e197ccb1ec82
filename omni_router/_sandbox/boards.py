"""What is published about how good models are: the Hub's official benchmark boards, and the ratings of LMArena.

The rows have the oddities of the real ones: several of one model, notes, open pull requests, fractions among percents,
sources that must not be used, names that are not the Hub's, and ratings of an older date.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from omni_router._sandbox.more_models import ratings_in, values_on

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

DATASETS_PATH = "/api/datasets"  # a path of the Hub's API
ARENA_HOST = "datasets-server.huggingface.co"
ARENA_PATH = "/rows"
ARENA = "lmarena-ai/leaderboard-dataset"
MAX_ROWS = 100  # of a page

_BOARD = "/leaderboard"
_OFFICIAL = "benchmark:official"
_PUBLISHED, _PUBLISHED_BEFORE = "2026-09-13", "2026-09-06"
_EXCLUDED_SOURCE = {"url": "https://artificialanalysis.ai", "name": "Artificial Analysis", "isExternal": True}


@dataclass(frozen=True)
class Score:
    """One row of a board, and whether its model declares another one as its base."""

    model: str
    value: float
    notes: str | None = None
    pull_request: int | None = None
    source: Mapping[str, Any] | None = None
    derived: bool = False


@dataclass(frozen=True)
class Board:
    """An official benchmark; a gated one answers to those alone who have accepted its terms."""

    scores: tuple[Score, ...]
    gated: bool = False
    lower_is_better: bool = False


_TEXT = "sandbox/text-generation-"
_VISION = "sandbox/image-text-to-text-"
_COPY = f"{_TEXT}5"  # a quantised copy, which carries the values of its base

BOARDS: dict[str, Board] = {
    "SWE-bench/SWE-bench_Verified": Board(
        (
            Score(f"{_TEXT}2", 78.2),
            Score(_COPY, 78.2, derived=True),
            Score(f"{_TEXT}3", 61.0, derived=True),
            Score(f"{_TEXT}1", 43.5, derived=True),
        )
    ),
    "harborframework/terminal-bench-2.0": Board(
        (Score(f"{_TEXT}2", 52.1), Score(f"{_TEXT}1", 30.4, derived=True), Score(f"{_TEXT}3", 24.9, derived=True))
    ),
    "MathArena/aime_2026": Board(
        (
            Score(f"{_TEXT}2", 96.7, notes="maj@16"),
            Score(f"{_TEXT}2", 91.3),
            Score(f"{_TEXT}1", 70.0, derived=True),
            Score(f"{_TEXT}3", 63.3, derived=True),
        )
    ),
    "cais/hle": Board(
        (
            Score(f"{_TEXT}2", 54.7, notes="with tools"),
            Score(f"{_TEXT}2", 40.5),
            Score(f"{_TEXT}3", 31.0, pull_request=17, derived=True),
            Score(f"{_TEXT}1", 12.4, derived=True),
        )
    ),
    "Idavidrein/gpqa": Board(
        (Score(f"{_TEXT}2", 88.1), Score(f"{_TEXT}3", 80.2, derived=True), Score(f"{_TEXT}1", 66.9, derived=True)),
        gated=True,
    ),
    "TIGER-Lab/MMLU-Pro": Board(
        (
            Score(f"{_TEXT}2", 86.4),
            Score(f"{_TEXT}2", 84.9, source=_EXCLUDED_SOURCE),
            Score(f"{_TEXT}1", 79.5, derived=True),
            Score(f"{_TEXT}3", 0.78, derived=True),
        )
    ),
    "MMMU/MMMU_Pro": Board(
        (Score(f"{_VISION}3", 70.4), Score(f"{_VISION}1", 58.0, derived=True), Score(f"{_VISION}2", 41.7, derived=True))
    ),
    "allenai/olmOCR-bench": Board(
        (Score(f"{_VISION}1", 83.1), Score(f"{_VISION}3", 80.0, derived=True), Score(f"{_VISION}2", 74.2, derived=True))
    ),
    "hf-audio/open-asr-leaderboard": Board(
        (Score("sandbox/automatic-speech-recognition-1", 5.6), Score("sandbox/automatic-speech-recognition-2", 7.4)),
        lower_is_better=True,
    ),
}

# Ratings by config and category. The names are LMArena's own; an organisation with closed models has no model here.
_TEXT_NAMES = ("text-generation-2", "Text-Generation-3-20260901", "text-generation-1-high", "closed-model-9")
_TEXT_RATINGS: dict[str, tuple[float, ...]] = {
    "overall": (1431.2, 1402.7, 1398.4, 1460.0),
    "coding": (1468.0, 1391.5, 1385.2, 1490.3),
    "math": (1455.9, 1380.1, 1397.7, 1474.8),
    "creative_writing": (1402.3, 1399.9, 1421.6, 1448.1),
    "multi_turn": (1420.8, 1408.2, 1411.0, 1452.2),
}
_RATINGS: dict[str, dict[str, dict[str, float]]] = {
    "text_style_control": {
        category: dict(zip(_TEXT_NAMES, ratings, strict=True)) for category, ratings in _TEXT_RATINGS.items()
    },
    "vision_style_control": {
        "overall": {"image-text-to-text-3": 1290.4, "image-text-to-text-1": 1241.8, "image-text-to-text-2": 1188.0}
    },
    "text_to_image": {"overall": {"text-to-image-1": 1121.5, "text-to-image-3": 1064.2, "text-to-image-2": 1031.9}},
    "image_edit": {"overall": {"text-to-image-2": 1090.7, "closed-model-9": 1187.3}},
}
_COLUMNS = {
    "model_name": "string",
    "organization": "string",
    "license": "string",
    "rating": "float64",
    "rating_lower": "float64",
    "rating_upper": "float64",
    "variance": "float64",
    "vote_count": "int64",
    "rank": "int64",
    "category": "string",
    "leaderboard_publish_date": "string",
}


def answer_hub(request: "httpx.Request", models: Collection[str]) -> "httpx.Response":
    """Answer a request for the Hub's official benchmarks, or for the board of one; it knows models of the catalog."""
    from omni_router.hub.http import httpx

    path, params = request.url.path, request.url.params
    if path == DATASETS_PATH:
        ids = BOARDS if _OFFICIAL in params.get_list("filter") else ()
        datasets = [_dataset(number, name) for number, name in enumerate(ids)]
        return httpx.Response(200, json=datasets[: int(params.get("limit", len(datasets)))])
    name = path.removeprefix(f"{DATASETS_PATH}/").removesuffix(_BOARD)
    board = BOARDS.get(name)
    if board is None or not path.endswith(_BOARD):
        headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
        return httpx.Response(404, json={"error": "Repository not found"}, headers=headers)
    if board.gated and "authorization" not in request.headers:
        headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this dataset is restricted. (simulated)"}
        return httpx.Response(401, json={"error": "Access to this dataset is restricted."}, headers=headers)
    derived_too = params.get("base_model", "true").lower() == "false"
    more = tuple(Score(model, value, derived=True) for model, value in values_on(name).items() if model in models)
    board = replace(board, scores=board.scores + more)
    return httpx.Response(200, json=_rows(board, derived_too=derived_too))


def _dataset(number: int, name: str) -> dict[str, Any]:
    return {
        "_id": f"{number:024x}",
        "id": name,
        "author": name.partition("/")[0],
        "disabled": False,
        "gated": "auto" if BOARDS[name].gated else False,
        "lastModified": "2026-09-01T00:00:00.000Z",
        "likes": 0,
        "private": False,
        "downloads": 0,
        "tags": [_OFFICIAL],
        "createdAt": "2025-01-01T00:00:00.000Z",
        "key": "",
    }


def _rows(board: Board, *, derived_too: bool) -> list[dict[str, Any]]:
    """Return the rows of a board, best first; a key that a row has nothing for is left out."""
    scores = [score for score in board.scores if derived_too or not score.derived]
    return [_row(rank, score, board) for rank, score in enumerate(scores, start=1)]


def _row(rank: int, score: Score, board: Board) -> dict[str, Any]:
    optional = {"source": score.source, "pullRequest": score.pull_request, "notes": score.notes}
    author = score.model.partition("/")[0]
    return {
        "rank": rank,
        "filename": ".eval_results/results.yaml",
        "value": score.value,
        "verified": False,
        "modelId": score.model,
        "author": {"type": "org", "name": author, "fullname": author, "avatarUrl": ""},
        **{key: value for key, value in optional.items() if value is not None},
        "lower_is_better": board.lower_is_better,
        "num_parameters": 8_000_000_000,
    }


def answer_arena(request: "httpx.Request", models: Collection[str]) -> "httpx.Response":
    """Answer a request to the datasets server, which has LMArena's ratings alone."""
    from omni_router.hub.http import httpx

    params = request.url.params
    config, length = params.get("config", ""), int(params.get("length", MAX_ROWS))
    if request.url.path != ARENA_PATH or params.get("dataset") != ARENA or config not in _RATINGS:
        return httpx.Response(404, json={"error": "The dataset does not exist, or is not accessible. (simulated)"})
    if length > MAX_ROWS:
        return httpx.Response(422, json={"error": f"Parameter 'length' must not be greater than {MAX_ROWS}"})
    rows, offset = list(_ratings(config, models)), int(params.get("offset", 0))
    page = [
        {"row_idx": number, "row": row, "truncated_cells": []}
        for number, row in list(enumerate(rows))[offset : offset + length]
    ]
    features = [
        {"feature_idx": number, "name": name, "type": {"dtype": dtype, "_type": "Value"}}
        for number, (name, dtype) in enumerate(_COLUMNS.items())
    ]
    body = {"features": features, "rows": page, "num_rows_total": len(rows), "num_rows_per_page": MAX_ROWS}
    return httpx.Response(200, json={**body, "partial": False})


def _ratings(config: str, models: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a config: each model at the newest date, and one that was published before."""
    for category, ratings in _RATINGS[config].items():
        ranked = sorted((ratings | ratings_in(config, category, models)).items(), key=lambda item: -item[1])
        for rank, (name, rating) in enumerate(ranked, start=1):
            yield _rating(name, rating, rank, category, _PUBLISHED)
        name, rating = ranked[-1]
        yield _rating(name, rating - 30, len(ranked), category, _PUBLISHED_BEFORE)


def _rating(name: str, rating: float, rank: int, category: str, published: str) -> dict[str, Any]:
    license_name = "Proprietary" if name.startswith("closed") else "Apache 2.0"
    values = (name, "sandbox", license_name, rating, rating - 6, rating + 6, 9.4, 5_000, rank, category, published)
    return dict(zip(_COLUMNS, values, strict=True))
