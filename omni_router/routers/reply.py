"""Read what a router said: one JSON object `{"route", "model", "reason"}`, or what a small model made of it.

Without any object, a line that begins with `route:` begins one; what stands before it is prose.

One tolerant scanner instead of `json.loads` at every brace: it goes over the text once, keeps a stack of open objects
and collects the fields of each, so that prose around, a cut-off end, a list, nested objects and every style of quotes
are the ordinary case and nothing is read twice.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from omni_router.model_id import split_model_id

# A reply is a few hundred characters; of a longer one both ends are read, which keeps 5 MB of nonsense cheap.
_WINDOW = 64 * 1024

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
# The quotes a string may begin with, and for each what may end it; escaped are the typographic ones.
_CLOSERS = {'"': '"', "'": "'", "\u201c": "\u201d\u201c", "\u201d": "\u201d", "\u201e": "\u201c\u201d"}
_CLOSERS |= {"\u2018": "\u2019\u2018", "\u2019": "\u2019"}
_CLOSING = {opener: re.compile(rf"[{closers}\\]") for opener, closers in _CLOSERS.items()}
_QUOTE = f"[{''.join(_CLOSERS)}]"
# A brace in prose or code has no key after it. Blanks and key begin differently, so that a run of blanks is read once.
_OBJECT = re.compile(rf"\{{(?=\s*(?:{_QUOTE}[ -]{{0,8}})?\w[\w -]{{0,39}}{_QUOTE}?\s*:)")
# A reply that left the braces out: a line that begins with the key, and a value that is quoted or one word alone. What
# has words before it or after it is prose. Around keys and values may stand what makes a list or bold type in Markdown.
_BARE = re.compile(
    rf"^[ \t>*`-]{{0,16}}(?={_QUOTE}?route{_QUOTE}?[*` \t]{{0,8}}:[*`\s]{{0,16}}"
    rf"(?:{_QUOTE}|[\w.-]{{1,200}}[*` \t\r]{{0,8}}(?:[,;\n]|\Z)))",
    re.IGNORECASE | re.MULTILINE,
)
_WITHOUT_MARKS = str.maketrans("", "", "*`")
_TOKEN = re.compile(rf"\s*(?:([{{}}\[\],:])|({_QUOTE})|([^\s{{}}\[\],:\"][^{{}}\[\],:\"\n]*))")
# A quote ends a value only where the object can go on: an apostrophe or an inner quote is followed by something else.
_AFTER_VALUE = re.compile(rf"\s*(?:[,:}}\]]|\Z|{_QUOTE}(?:route|model|reason){_QUOTE}\s*:)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U(00(?:10|0[0-9a-fA-F])[0-9a-fA-F]{4})|(.))", re.DOTALL)
_NO_NAME = re.compile(r"null|none|nil|undefined|nan|true|false|[-+.\d][-+.\deE]*", re.IGNORECASE)


@dataclass(frozen=True)
class Proposal:
    """A reply as read: what it lacks is None, the reason empty."""

    route: str | None
    model: str | None
    reason: str
    provider: str | None = None  # of a model given as org/name:provider


@dataclass
class _Scanner:
    """Where we are inside the innermost open object."""

    objects: list[dict[str, str]] = field(default_factory=list)  # in the order in which they begin
    open: list[dict[str, str]] = field(default_factory=list)
    name: str | None = None  # the last string, a key if a colon follows
    key: str | None = None  # the key whose value comes next

    def mark(self, mark: str) -> None:
        if mark == ":":
            self.key = self.name
        elif mark == "{":
            self.open.append({})
            self.objects.append(self.open[-1])
        elif mark == "}":
            self.open.pop()
        if mark not in "[]:":  # a list around a value is looked through, and its first element taken
            self.key = None
        self.name = None

    def word(self, text: str, *, whole: bool, bare: bool) -> None:
        if self.key is None:
            self.name = text
            return
        key = self.key.strip().lower()
        self.key = None
        if (whole or key == "reason") and not (bare and _NO_NAME.fullmatch(text)):  # half a name is no name
            self.open[-1].setdefault(key, text)  # the first wins: words of the reason cannot overrule the route


def parse_reply(text: str) -> Proposal:
    """Read a router's reply. Never raises, takes time linear in the text, knows no policy.

    Of several objects the first with a route counts, thinking excluded; a model is None unless it is a usable id.
    """
    spoken = _spoken(text).strip() if isinstance(text, str) else ""
    windows = (spoken,) if len(spoken) <= _WINDOW else (spoken[:_WINDOW], spoken[-_WINDOW:])
    objects = [found for window in windows for found in _objects(window)]
    objects = objects or [found for window in windows for found in _bare_objects(window)]
    chosen = next((found for found in objects if found.get("route")), None)
    if chosen is None:
        chosen = next((found for found in objects if found.keys() & {"model", "reason"}), {})
    model, provider = split_model_id(chosen.get("model", ""))
    return Proposal(chosen.get("route") or None, model, chosen.get("reason", ""), provider)


def without_thinking(text: str) -> str:
    """Cut `<think>` blocks, also one that is never closed or whose opening stood in the prompt."""
    return _THINKING.sub("", text).rpartition("</think>")[2]


def _spoken(text: str) -> str:
    """Cut the thinking, but not an object whose reason quotes the closing tag."""
    if len(text) <= _WINDOW:
        with suppress(ValueError, RecursionError):
            if isinstance(json.loads(text), dict):  # strict JSON: tags in its strings are words like others
                return text
    before, _, after = _THINKING.sub("", text).rpartition("</think>")
    return after if "{" in after or "{" not in before else before


def _bare_objects(text: str) -> Iterator[dict[str, str]]:
    """Read a reply without braces, as if they were there."""
    if start := _BARE.search(text):
        fields = text[start.end() :].translate(_WITHOUT_MARKS)
        for found in _objects(f"{{{fields}}}"):
            read = {key.strip(" ->"): value for key, value in found.items()}
            yield {**read, "route": read.get("route", "").rstrip(".")}


def _objects(text: str) -> Iterator[dict[str, str]]:
    scanner, at = _Scanner(), 0
    while at < len(text):
        if not scanner.open:
            start = _OBJECT.search(text, at)
            if start is None:
                break
            at = start.start()
        token = _TOKEN.match(text, at)
        if token is None:  # only white space is left
            break
        at = token.end()
        mark, quote, bare = token.groups()
        if mark:
            scanner.mark(mark)
        elif quote:
            end, whole = _end_of_string(text, at, quote)
            scanner.word(_clean(_unescaped(text[at:end])), whole=whole, bare=False)
            at = end + 1
        else:
            scanner.word(_clean(bare), whole=at < len(text), bare=True)
    yield from scanner.objects


def _end_of_string(text: str, at: int, quote: str) -> tuple[int, bool]:
    """Give the index of the closing quote, or the end of the text and False."""
    while hit := _CLOSING[quote].search(text, at):
        if hit.group() != "\\" and _AFTER_VALUE.match(text, hit.end()):
            return hit.start(), True
        at = hit.end() + (hit.group() == "\\")
    return len(text), False


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escaped_character, text) if "\\" in text else text


def _escaped_character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16))
    plain = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(escape[4])
    return plain or (escape[0] if escape[4].isalnum() else escape[4])  # a\_b is markdown for a_b, \d stays \d


def _clean(text: str) -> str:
    """Trim, and join or replace surrogates: a lone one could not be written to a file."""
    return text.strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
