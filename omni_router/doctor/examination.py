"""An examination: which checks there are, what one found, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from omni_router.config.environment import Environment
from omni_router.doctor.shapes import Comparison, Difference, Shape
from omni_router.errors import ErrorKind
from omni_router.hub.errors import scrub
from omni_router.hub.listing import ModelEntry
from omni_router.hub.wire import Exchange, watch

Status = Literal["ok", "differs", "failed", "skipped"]

TIMEOUT = 20.0  # seconds for an answer
HTTP_OK = 200
REPORT = (
    "Report it with the output of `omni-router doctor --json`, which holds no secrets. Runs go on: what cannot be read "
    "counts as unknown."
)
TOKEN_PAGE = "https://huggingface.co/settings/tokens"  # noqa: S105 (an address)
STATUS_PAGE = "https://status.huggingface.co"
ADVICE: dict[ErrorKind, str] = {
    "token": f'Make a token with the permission "Make calls to Inference Providers" at {TOKEN_PAGE}, and set HF_TOKEN.',
    "payment": "Add credits at https://huggingface.co/settings/billing, or wait for those of the next month.",
    "rate_limited": "Wait five minutes and try again; with a token more requests are allowed.",
    "timeout": f"Try again; if it stays so, check the network, a proxy, and {STATUS_PAGE}.",
    "connection": f"Check the network, the variables HTTPS_PROXY and HF_HUB_OFFLINE, and {STATUS_PAGE}.",
    "overloaded": f"Try again in a few minutes; {STATUS_PAGE} shows outages.",
    "not_found": "It has been moved or renamed, or the token may not see it. " + REPORT,
}


@dataclass
class Outcome:
    """What a check found."""

    status: Status
    summary: str
    advice: str = ""
    differences: list[Difference] = field(default_factory=list)
    new_fields: list[str] = field(default_factory=list)
    cost: float = 0.0  # US dollars

    def without_secrets(self, token: str | None) -> "Outcome":
        """Return the outcome with texts that hold no token and no path of a home."""
        differences = [each._replace(found=private(each.found, token)) for each in self.differences]
        summary, advice = private(self.summary, token), private(self.advice, token)
        return replace(self, summary=summary, advice=advice, differences=differences)


@dataclass
class Examination:
    """What is examined, and what earlier checks found out for later ones."""

    environment: Environment
    token: str | None
    full: bool = False
    chat_models: list[ModelEntry] = field(default_factory=list)
    benchmark: str | None = None


class Check(NamedTuple):
    """One question."""

    name: str
    question: str
    ask: Callable[[Examination], Outcome]
    only_full: bool = False  # it may cost more than a cent


class Result(NamedTuple):
    """A check, its outcome, and the seconds that it took."""

    check: Check
    outcome: Outcome
    seconds: float


class Reading(NamedTuple):
    """What a function of the package made of an answer, and how the answer compares with the expected shape."""

    value: Any  # None if the function failed
    body: Any
    comparison: Comparison

    def outcome(self, summary: str) -> Outcome:
        """Return that all is well, or what differs."""
        return compared(self.comparison, summary)


def private(text: str, token: str | None = None) -> str:
    """Return a text without tokens, and with ~ for the user's home."""
    return scrub(text, token).replace(str(Path.home()), "~")


def read(ask: Callable[[], Any], shape: Shape, *, shows_values: bool = True) -> Reading:
    """Call a function that asks one question, and compare what came over the wire with its expected shape.

    Raises:
        Exception: the function failed, and the shape does not show why.
    """
    value, error = None, None
    with watch() as exchanges:
        try:
            value = ask()
        except Exception as caught:  # noqa: BLE001 (raised below, unless the answer itself is the cause)
            error = caught
    answers = [exchange for exchange in exchanges if exchange.status == HTTP_OK]
    if not answers:
        raise error or RuntimeError("the client did not ask")
    body, comparison = _compare(answers[-1], shape, shows_values=shows_values)
    if error is not None and not comparison.differences:
        raise error
    return Reading(value, body, comparison)


def _compare(exchange: Exchange, shape: Shape, *, shows_values: bool) -> tuple[Any, Comparison]:
    comparison = Comparison(shows_values)
    try:
        body = exchange.json()
    except ValueError:
        comparison.note_text("", "JSON", exchange.headers.get("content-type", "something else"))
        return None, comparison
    shape.compare(body, "", comparison)
    return body, comparison


def compared(comparison: Comparison, summary: str) -> Outcome:
    """Return the outcome of a comparison."""
    new = sorted(comparison.new_fields)
    if comparison.differences:
        return Outcome("differs", summary, REPORT, comparison.differences, new)
    return Outcome("ok", summary, new_fields=new)
