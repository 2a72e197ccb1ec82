"""Arena's ratings: a dataset under CC-BY-4.0, of which the datasets server sends rows without an account."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from operator import itemgetter
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
COLUMNS = ("category", "model_name", "organization", "leaderboard_publish_date")
PAGE = 100  # rows; the server sends no more
MAX_PAGES = 150  # of a config: some hundred models in some dozen categories
MIN_SHARE = 0.1  # of the rows of the most frequent publish date, for another one to count
_LONGEST_NAME = 200


class ArenaPage(TypedDict):
    """The ratings of one page."""

    ratings: list[tuple[str, str, str, str, float]]  # publish date, category, name, organization, rating
    malformed: int  # rows that are none
    rows: int  # of the page
    total: int  # of the config


class ArenaContent(TypedDict):
    """The ratings of a config, as they are kept on disk."""

    ratings: list[tuple[str, str, str, float]]  # category, name, organization, rating
    published: str  # the day as YYYY-MM-DD
    dropped: dict[str, int]  # rows that were left out, by why


def fetch_page(config: str, offset: int, get_json: Callable[[str, dict[str, Any]], Any]) -> ArenaPage:
    """Fetch the usable ratings of a page.

    Raises:
        ValueError: the answer is not a page of rows.
    """
    params = {"dataset": DATASET, "config": config, "split": "latest", "offset": offset, "length": PAGE}
    body = get_json(ROWS, params)
    rows = body.get("rows") if isinstance(body, dict) else None
    if not isinstance(rows, list) or type(body.get("num_rows_total")) is not int:
        raise ValueError("a page of Arena's ratings does not have the expected shape")
    ratings = list(filter(None, map(_read_row, rows[:PAGE])))
    return ArenaPage(
        ratings=[rating for rating in ratings if rating[1] in CATEGORIES],
        malformed=len(rows[:PAGE]) - len(ratings),
        rows=len(rows[:PAGE]),
        total=body["num_rows_total"],
    )


def read_page(content: Any) -> ArenaPage | None:
    """Return a page that was kept on disk; None if it does not have the shape that this version writes."""
    try:
        ratings = [
            (str(day), str(category), str(name), str(owner), float(rating))
            for day, category, name, owner, rating in content["ratings"]
        ]
        counts = (int(content["malformed"]), int(content["rows"]), int(content["total"]))
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return ArenaPage(ratings=ratings, malformed=counts[0], rows=counts[1], total=counts[2])


def read_config(page_at: Callable[[int], ArenaPage]) -> ArenaContent:
    """Return the ratings of all pages of a config; those of the newest publish date count.

    Args:
        page_at: returns the page that begins with so many rows before it.

    Raises:
        ValueError: no page has a rating.
    """
    pages: list[ArenaPage] = []
    offset, total = 0, 1
    while offset < total and len(pages) < MAX_PAGES:
        page = page_at(offset)
        if not page["rows"]:
            break
        pages.append(page)
        offset, total = offset + page["rows"], page["total"]
    ratings: list[Any] = []
    malformed = 0
    for page in pages:
        ratings += page["ratings"]
        malformed += page["malformed"]
    if not ratings:
        raise ValueError("no row of Arena's ratings has the expected shape")
    newest = _newest(map(itemgetter(0), ratings))
    kept = [(category, name, owner, rating) for day, category, name, owner, rating in ratings if day == newest]
    counts = Counter({MALFORMED: malformed, OLDER: len(ratings) - len(kept), TOO_MANY: max(0, total - offset)})
    return ArenaContent(ratings=kept, published=newest, dropped=dict(+counts))  # + leaves out zeros


def _newest(dates: Iterable[str]) -> str:
    """Return the newest date that enough rows have: a single wrong one does not make all others old."""
    counts = Counter(dates)
    enough = MIN_SHARE * max(counts.values())
    return max(day for day, count in counts.items() if count >= enough)


def arena_ratings(config: str, content: ArenaContent) -> Iterable[Rating]:
    """Yield the ratings of a config from what is kept of it."""
    published = str(content["published"])
    boards = {category: f"{DATASET}/{config}/{category}" for category, *_ in content["ratings"]}
    for category, name, organization, rating in content["ratings"]:
        yield Rating(boards[category], str(name), str(organization), float(rating), published)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read_row(row: object) -> tuple[str, str, str, str, float] | None:
    """Return the publish date of a row, and its rating; None if it is malformed."""
    cells = row.get("row") if isinstance(row, dict) else None
    if not isinstance(cells, dict) or not is_value(cells.get("rating")):
        return None
    category, name, organization, published = (_text(cells.get(column)) for column in COLUMNS)
    if not category or not name or max(len(name), len(organization)) > _LONGEST_NAME:
        return None
    try:
        day = date.fromisoformat(published[: len("YYYY-MM-DD")])
    except ValueError:
        return None
    return day.isoformat(), category, name, organization, float(cells["rating"])
