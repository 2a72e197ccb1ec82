"""Read the reply of a router: one JSON object `{"route", "model", "reason"}`, or a small model's version of it.

Without any object, a line that begins with `route:` begins one; the text before it is prose.

One tolerant scanner replaces `json.loads` at every brace. It goes over the text once, keeps a stack of open objects and
collects the fields of each, so that surrounding prose, a cut-off end, a list, nested objects and every style of quotes
are the ordinary case and nothing is read twice.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

from omni_router.model_id import split_model_id

# A reply has a few hundred characters. Of a longer one only both ends are read, which keeps 5 MB of nonsense cheap.
_WINDOW = 64 * 1024

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
# The quotes that may open a string, and for each the quotes that may close it; the typographic ones are escaped.
_CLOSERS = {'"': '"', "'": "'", "\u201c": "\u201d\u201c", "\u201d": "\u201d", "\u201e": "\u201c\u201d"}
_CLOSERS |= {"\u2018": "\u2019\u2018", "\u2019": "\u2019"}
_CLOSING = {opener: re.compile(rf"[{closers}\\]") for opener, closers in _CLOSERS.items()}
_QUOTE = f"[{''.join(_CLOSERS)}]"
# A brace in prose or code has no key after it. Blanks and key begin differently, so that a run of blanks is read once.
_OBJECT = re.compile(rf"\{{(?=\s*(?:{_QUOTE}[ -]{{0,8}})?\w[\w -]{{0,39}}{_QUOTE}?\s*:)")
# A reply without braces: a line that begins with the key, and a value that is quoted or one word alone. With words
# before or after it, it is prose. Markdown for lists and bold type may surround keys and values.
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
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_NO_NAME = re.compile(r"null|none|nil|undefined|nan|true|false|[-+.\d][-+.\deE]*", re.IGNORECASE)


@dataclass(frozen=True)
class Proposal:
    """A reply as read: a missing route or model is None, a missing reason is empty."""

    route: str | None
    model: str | None
    reason: str
    provider: str | None = None  # the provider, if the model is written as org/name:provider


@dataclass
class _Scanner:
    """The position inside the innermost open object."""

    objects: list[dict[str, str]] = field(default_factory=list)  # the objects in the order in which they begin
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
        if mark not in "[]:":  # a list around a value is transparent: its first element becomes the value
            self.key = None
        self.name = None

    def word(self, text: str, *, whole: bool, bare: bool) -> None:
        if self.key is None:
            self.name = text
            return
        key = self.key.strip().lower()
        self.key = None
        if (whole or key == "reason") and not (bare and _NO_NAME.fullmatch(text)):  # half a name is not a name
            self.open[-1].setdefault(key, text)  # the first wins: words of the reason cannot overrule the route


def parse_reply(text: str) -> Proposal:
    """Read a router's reply. Never raises, takes time linear in the text, and knows no policy.

    Of several objects the first with a route counts, thinking excluded; the model is None unless it is a usable id.
    """
    answer = _without_leading_thought(text).strip() if isinstance(text, str) else ""
    windows = [answer]
    if len(answer) > _WINDOW:
        windows = [answer[:_WINDOW], answer[-_WINDOW:]]
    objects = list(chain.from_iterable(map(_objects, windows)))
    if not objects:
        objects = list(chain.from_iterable(map(_bare_objects, windows)))
    fields = _best(objects)
    model, provider = split_model_id(fields.get("model", ""))
    return Proposal(fields.get("route") or None, model, fields.get("reason", ""), provider)


def _best(objects: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return the first object with a route, else the first with a model or a reason, else an empty one."""
    for fields in objects:
        if fields.get("route"):
            return fields
    for fields in objects:
        if fields.keys() & {"model", "reason"}:
            return fields
    return {}


def without_thinking(text: str) -> str:
    """Cut `<think>` blocks, also one that is never closed or that was opened in the prompt."""
    return _THINKING.sub("", text).rpartition("</think>")[2]


def _without_leading_thought(text: str) -> str:
    """Cut the thinking, but not an object whose reason quotes the closing tag."""
    if len(text) <= _WINDOW:
        with suppress(ValueError, RecursionError):
            if isinstance(json.loads(text), dict):  # strict JSON: tags in its strings are words like others
                return text
    before, _, after = _THINKING.sub("", text).rpartition("</think>")
    if "{" in before and "{" not in after:
        return before
    return after


def _bare_objects(text: str) -> Iterator[dict[str, str]]:
    """Read a reply without braces, as if they were there."""
    start = _BARE.search(text)
    if start is None:
        return
    body = text[start.end() :].translate(_WITHOUT_MARKS)
    for fields in _objects(f"{{{body}}}"):
        clean = {key.strip(" ->"): value for key, value in fields.items()}
        yield {**clean, "route": clean.get("route", "").rstrip(".")}


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
    """Return the index of the closing quote and True, or the end of the text and False."""
    while hit := _CLOSING[quote].search(text, at):
        if hit.group() != "\\" and _AFTER_VALUE.match(text, hit.end()):
            return hit.start(), True
        at = hit.end() + (hit.group() == "\\")
    return len(text), False


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_escaped_character, text)


def _escaped_character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16))
    if escape[4] in _CONTROL:
        return _CONTROL[escape[4]]
    if escape[4].isalnum():  # \d stays \d
        return escape[0]
    return escape[4]  # a\_b is Markdown for a_b


def _clean(text: str) -> str:
    """Trim, and join or replace surrogates: a lone one could not be written to a file."""
    return text.strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
