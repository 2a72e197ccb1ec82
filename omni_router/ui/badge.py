"""The badge of an answer: one line of route, model, source and confidence, which opens to how it came about.

Names, ids and reasons come from outside: everything is escaped, for HTML and for Gradio's templates of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omni_router.costs import as_decimal, brought_something, describe_cost, total_cost
from omni_router.ui.components import bullet_list, code, safe

SHOWN = 6  # candidates: the order of choice seldom goes further
REASON_CHARACTERS = 400
HIGH_CONFIDENCE, MIDDLE_CONFIDENCE = 0.8, 0.5  # the colour changes at these
NEARLY_CERTAIN = 0.99  # shown as ">99%": no probability is a whole one
SOURCES = {
    "router": "picked by the router",
    "history": "from history",
    "catalog": "from the catalog",
    "caller": "as requested",
}


def badge(
    decision: Mapping[str, Any],
    candidates: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    attempts: Iterable[Mapping[str, Any]] = (),
    seconds: float | None = None,
) -> str:
    """Return a decision in one line of HTML that opens to a table of its reasons and its outcome."""
    options: Sequence[Mapping[str, Any]] = ()
    if candidates is not None:
        options = candidates.get(decision["route"] or "", ())
    rows = [("why", safe(_shortened(str(decision["reason"] or "no reason was given"))))]
    if decision["task"]:
        rows.append(("task", _task(decision)))
    if reason := decision.get("provider_reason"):
        rows.append(("provider", safe(reason)))
    rows += _choice_rows(decision, options)
    rows += _call_rows(list(attempts), seconds)
    rows.append(("decision", code(decision["id"])))
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f'<details class="omni-badge"><summary>{_summary(decision)}</summary><table>{table}</table></details>'


def _summary(decision: Mapping[str, Any]) -> str:
    parts = [f'<b class="omni-route">{safe(decision["route"] or "no route")}</b>']
    if decision["model"]:
        parts.append(f'<span class="omni-model">{safe(decision["model"])}</span>')
    if source := decision["source"]:
        parts.append(f'<span class="omni-source">{safe(SOURCES.get(source, source))}</span>')
    if decision["confidence"] is not None:
        parts.append(_confidence(float(decision["confidence"])))
    return "".join(parts)


def _confidence(probability: float) -> str:
    level = "low"
    if probability >= HIGH_CONFIDENCE:
        level = "high"
    elif probability >= MIDDLE_CONFIDENCE:
        level = "middle"
    percent = "&gt;99%" if probability > NEARLY_CERTAIN else f"{probability:.0%}"
    return f'<span class="omni-confidence omni-{level}" title="confidence of the route">{percent} sure</span>'


def _shortened(reason: str) -> str:
    if len(reason) <= REASON_CHARACTERS:
        return reason
    return f"{reason[:REASON_CHARACTERS]}…"


def _task(decision: Mapping[str, Any]) -> str:
    text = safe(decision["task"])
    if decision["provider"]:
        text += f", through {safe(decision['provider'])}"
    verified = decision.get("verified")
    if verified is True:
        text += " · served for the task"
    elif verified is False:
        text += " · not verified: the Hub could not be reached"
    return text


def _choice_rows(decision: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    if candidates:
        yield "candidates", _candidates(candidates, decision["model"])
    if rejections := decision.get("passed_over"):
        yield "rejected", bullet_list(_with_reason(rejection) for rejection in rejections[:SHOWN])


def _candidates(candidates: Sequence[Mapping[str, Any]], chosen: str | None) -> str:
    items = []
    for candidate in candidates[:SHOWN]:
        item = _with_reason(candidate)
        if candidate["model"] == chosen:
            item = f"<b>{code(chosen)}</b> {safe(candidate['why'])}"
        items.append(item)
    if len(candidates) > SHOWN:
        items.append(f"and {len(candidates) - SHOWN} more")
    return bullet_list(items)


def _with_reason(candidate: Mapping[str, Any]) -> str:
    return f"{code(candidate['model'])} {safe(candidate['why'])}"


def _call_rows(attempts: Sequence[Mapping[str, Any]], seconds: float | None) -> Iterable[tuple[str, str]]:
    if attempts:
        yield "attempts", bullet_list(map(_attempt, attempts))
    if any(map(brought_something, attempts)):
        yield "cost", safe(_total(attempts))
    if seconds is not None:
        called = sum(attempt["seconds"] for attempt in attempts)
        routing = max(seconds - called, 0)
        yield "time", f"{seconds:.2f} s in total: {called:.2f} s in models, {routing:.2f} s routing and the rest"


def _total(attempts: Sequence[Mapping[str, Any]]) -> str:
    cost = total_cost(attempts)
    return "not known" if cost is None else f"${as_decimal(cost)}"


def _attempt(attempt: Mapping[str, Any]) -> str:
    outcome = safe(attempt["outcome"])
    if outcome != "answered":
        outcome = f"<em>{outcome}</em>"
    facts = [f"{code(attempt['model'])} {outcome} in {attempt['seconds']:.2f} s"]
    facts += map(safe, filter(None, [describe_cost(attempt)]))
    return ", ".join(facts)
