"""The badge of an answer: one line of route, model, source and confidence, which opens to how it came about.

Names, ids and reasons come from outside: everything is escaped, for HTML and for Gradio's templates of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

SHOWN = 6  # candidates: the order of choice seldom goes further
REASON_CHARACTERS = 400
TEMPLATE = {ord(mark): f"&#{ord(mark)};" for mark in "${}"}


def safe(text: object) -> str:
    """Make a text harmless in HTML, on one line; dollars and braces mean something in Gradio's templates."""
    return " ".join(escape(str(text)).translate(TEMPLATE).split())


def badge(
    decision: Mapping[str, Any],
    candidates: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    attempts: Iterable[Mapping[str, Any]] = (),
    seconds: float | None = None,
) -> str:
    """Tell a decision in one line, and below it, when opened, why and what came of it."""
    parts = [f'<b class="omni-route">{safe(decision["route"] or "no route")}</b>']
    if decision["model"]:
        parts.append(f'<span class="omni-model">{safe(decision["model"])}</span>')
    if decision["source"]:
        parts.append(f'<span class="omni-source">{_sources(decision["source"])}</span>')
    if decision["confidence"] is not None:
        parts.append(_confidence(float(decision["confidence"])))
    rows = _rows(decision, (candidates or {}).get(decision["route"] or "", ()), list(attempts), seconds)
    table = "".join(f"<tr><th>{name}</th><td>{told}</td></tr>" for name, told in rows)
    return f'<details class="omni-badge"><summary>{"".join(parts)}</summary><table>{table}</table></details>'


def waiting(text: str) -> str:
    """Say what is being waited for, where the badge will be."""
    return f'<div class="omni-waiting">{safe(text)}</div>'


def problem(message: str, hint: str = "") -> str:
    """Tell an error: what happened, and what to do about it."""
    told = f"<p>{safe(hint)}</p>" if hint else ""
    return f'<div class="omni-problem"><strong>{safe(message)}</strong>{told}</div>'


def _sources(source: str) -> str:
    told = {"router": "picked by the router", "history": "from history", "catalog": "from the catalog",
            "caller": "as asked for"}  # fmt: skip
    return safe(told.get(source, source))


def _confidence(share: float) -> str:
    level = "high" if share >= 0.8 else "middle" if share >= 0.5 else "low"  # noqa: PLR2004 (where colours change)
    told = "&gt;99%" if share > 0.99 else f"{share:.0%}"  # noqa: PLR2004 (no probability is a whole one)
    return f'<span class="omni-confidence omni-{level}" title="confidence of the route">{told} sure</span>'


def _rows(
    decision: Mapping[str, Any],
    line: Sequence[Mapping[str, Any]],
    attempts: Sequence[Mapping[str, Any]],
    seconds: float | None,
) -> list[tuple[str, str]]:
    reason = str(decision["reason"] or "no reason was given")
    rows = [("why", safe(reason if len(reason) <= REASON_CHARACTERS else f"{reason[:REASON_CHARACTERS]}…"))]
    if decision["task"]:
        provider = f", through {safe(decision['provider'])}" if decision["provider"] else ""
        checked = {True: "served for the task", False: "unverified: the Hub could not be asked"}
        told = checked.get(decision.get("verified"), "")  # type: ignore[arg-type]
        rows.append(("task", safe(decision["task"]) + provider + (f" · {told}" if told else "")))
    if line:
        rows.append(("candidates", _candidates(line, decision["model"])))
    if over := decision.get("passed_over"):
        rows.append(("passed over", _list(f"{_code(each['model'])} {safe(each['why'])}" for each in over[:SHOWN])))
    if attempts:
        rows.append(("attempts", _list(_attempt(made) for made in attempts)))
    if seconds is not None:
        rows.append(("time", _time(attempts, seconds)))
    rows.append(("decision", _code(decision["id"])))
    return rows


def _candidates(line: Sequence[Mapping[str, Any]], taken: str | None) -> str:
    shown = [
        f"{'<b>' if each['model'] == taken else ''}{_code(each['model'])}{'</b>' if each['model'] == taken else ''} "
        f"{safe(each['why'])}"
        for each in line[:SHOWN]
    ]
    return _list([*shown, f"and {len(line) - SHOWN} more"] if len(line) > SHOWN else shown)


def _attempt(made: Mapping[str, Any]) -> str:
    outcome = "answered" if made["outcome"] == "answered" else f"<em>{safe(made['outcome'])}</em>"
    return f"{_code(made['model'])} {outcome} in {made['seconds']:.2f} s"


def _time(attempts: Sequence[Mapping[str, Any]], seconds: float) -> str:
    called = sum(made["seconds"] for made in attempts)
    return f"{seconds:.2f} s in all: {called:.2f} s models, {max(seconds - called, 0):.2f} s routing and the rest"


def _code(text: object) -> str:
    return f"<code>{safe(text)}</code>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
