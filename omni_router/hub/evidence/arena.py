"""Arena's ratings: a dataset under CC-BY-4.0, of which the datasets server sends rows without an account."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from typing_extensions import TypedDict

from omni_router.hub.evidence.leaderboards import is_value
from omni_router.hub.evidence.snapshot import MALFORMED, OLDER, TOO_MANY, Rating
from omni_router.hub.session import DATASETS_SERVER

DATASET = "lmarena-ai/leaderboard-dataset"
LICENCE = "CC-BY-4.0"
ATTRIBUTION = f"ratings: LMArena, https://huggingface.co/datasets/{DATASET}, {LICENCE}"  # wherever they are shown
ROWS = f"https://{DATASETS_SERVER}/rows"
CONFIGS = ("text_style_control", "vision_style_control", "text_to_image", "image_edit")
# Of several dozen. Each is a board, and all boards inform every route: those that ask nearly the same would outvote the
# official boards.
CATEGORIES = frozenset(
    (
        *("overall", "coding", "math", "creative_writing", "instruction_following", "multi_turn", "longer_query"),
        *("chinese", "french", "german", "japanese", "korean", "russian", "spanish"),
    )
)
PAGE = 100  # rows; the server sends no more
MAX_PAGES = 150  # of a config: some hundred models in some dozen categories
MIN_SHARE = 0.1  # of the rows of a config, for a publish date to count
_LONGEST_NAME = 200


class ArenaContent(TypedDict):
    """The ratings of a config, as they are kept on disk."""

    ratings: list[tuple[str, str, str, float]]  # category, name, organization, rating
    published: str  # the day as YYYY-MM-DD
    dropped: dict[str, int]  # rows that were left out, by why


def fetch_config(config: str, get_json: Callable[[str, dict[str, Any]], Any]) -> ArenaContent:
    """Fetch the ratings of a config, page by page; those of the newest publish date count.

    Args:
        config: one of CONFIGS.
        get_json: fetches an address with query parameters.

    Raises:
        ValueError: an answer is not a page of rows, or none of its rows is a rating.
    """
    rows: list[object] = []
    total, pages = 1, 0
    while len(rows) < total and pages < MAX_PAGES:
        params = {"dataset": DATASET, "config": config, "split": "latest", "offset": len(rows), "length": PAGE}
        body = get_json(ROWS, params)
        page = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(page, list) or not isinstance(body.get("num_rows_total"), int):
            raise ValueError("a page of Arena's ratings does not have the expected shape")  # noqa: TRY004 (of no type of ours)
        if not page:
            break
        rows += page[:PAGE]
        total, pages = body["num_rows_total"], pages + 1
    content = read_rows(rows)
    if total > len(rows):
        content["dropped"][TOO_MANY] = total - len(rows)
    return content


def read_rows(rows: list[object]) -> ArenaContent:
    """Return the usable ratings among rows of the datasets server.

    Raises:
        ValueError: there is none.
    """
    ratings: list[tuple[str, tuple[str, str, str, float]]] = []
    dropped: Counter[str] = Counter()
    for row in rows:
        rating = _read_row(row)
        if rating is None:
            dropped[MALFORMED] += 1
        elif rating[1][0] in CATEGORIES:
            ratings.append(rating)
    if not ratings:
        raise ValueError("no row of Arena's ratings has the expected shape")
    newest = _newest(published for published, _ in ratings)
    kept = [rating for published, rating in ratings if published == newest]
    if len(kept) < len(ratings):
        dropped[OLDER] = len(ratings) - len(kept)
    return ArenaContent(ratings=kept, published=newest, dropped=dict(dropped))


def _newest(dates: Iterable[str]) -> str:
    """Return the newest date that enough rows have: a single wrong one does not make all others old."""
    counts = Counter(dates)
    return max(day for day, count in counts.items() if count >= MIN_SHARE * counts.total())


def arena_ratings(config: str, content: ArenaContent) -> Iterable[Rating]:
    """Yield the ratings of a config from what is kept of it."""
    published = str(content["published"])
    boards = {category: f"{DATASET}/{config}/{category}" for category, *_ in content["ratings"]}
    for category, name, organization, rating in content["ratings"]:
        yield Rating(boards[category], str(name), str(organization), float(rating), published)


def _read_row(row: object) -> tuple[str, tuple[str, str, str, float]] | None:
    """Return the publish date of a row, and its rating; None if it is malformed."""
    cells = row.get("row") if isinstance(row, dict) else None
    if not isinstance(cells, dict) or not is_value(cells.get("rating")):
        return None
    texts = [cells.get(column) for column in ("category", "model_name", "organization", "leaderboard_publish_date")]
    category, name, organization, published = (text if isinstance(text, str) else "" for text in texts)
    if not category or not name or max(len(name), len(organization)) > _LONGEST_NAME:
        return None
    try:
        day = date.fromisoformat(published[: len("YYYY-MM-DD")])
    except ValueError:
        return None
    return day.isoformat(), (category, name, organization, float(cells["rating"]))
