"""The header that names what of a request had no effect."""

from collections.abc import Iterable
from urllib.parse import quote

from starlette.requests import Request

HEADER = "x-omni-ignored"
MOST_NAMES, MOST_CHARS = 20, 64  # clients read headers of some kilobytes in all


def note_ignored(request: Request, names: Iterable[str]) -> None:
    """Keep names for the header of the response."""
    request.state.ignored = list(dict.fromkeys([*ignored(request), *names]))


def ignored(request: Request) -> list[str]:
    """Return what has been noted so far."""
    return list(getattr(request.state, "ignored", []))


def ignored_header(request: Request) -> dict[str, str]:
    """Return the header, or nothing when nothing was ignored; the names are the client's, so they are encoded."""
    names = [quote(name[:MOST_CHARS], safe="") for name in ignored(request)]
    return {HEADER: ", ".join(names[:MOST_NAMES])} if names else {}
