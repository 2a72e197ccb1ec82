"""The second tab: what the routes are, which models they used and how those fared."""

from collections.abc import Sequence
from datetime import datetime, timezone

import pandas as pd  # type: ignore[import-untyped]  # it comes with Gradio, its stubs do not

from omni_router.config.routes import Route
from omni_router.history.protocol import ModelRecord
from omni_router.selection.ranking import score
from omni_router.ui.backend import Backend
from omni_router.ui.badge import safe
from omni_router.ui.chat import Chat

OUTCOMES = ("answered", "failed", "not counted")  # of a use, in the plot

ELSEWHERE = (
    '<div class="omni-note">The routes and their history are kept by the server: '
    "<code>omni-router --list-routes</code> shows them there. The plot is of this chat.</div>"
)


def routes_table(backend: Backend) -> str:
    """Give the routes and the models they used, as HTML."""
    if not backend.keeps_feedback:
        return ELSEWHERE
    now = datetime.now(timezone.utc)
    rows = "".join(_row(route, backend.examples(route), backend.models(route.name), now) for route in backend.routes())
    head = "<tr><th>Route, task, examples</th><th>Models, best first</th></tr>"
    return f'<table class="omni-routes"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(route: Route, examples: int, models: Sequence[ModelRecord], now: datetime) -> str:
    used = "".join(_model(record, now) for record in models)
    columns = ("model", "uses", "answered", "failed", "median", "verdicts", "score")
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in columns)}</tr>"
    inner = f"<table>{head}{used}</table>" if used else '<span class="omni-none">none used yet</span>'
    about = f"<code>{safe(route.task)}</code> <span>{examples} examples</span>"
    name = f"<b>{safe(route.name)}</b> {about}<p>{safe(route.description)}</p>"
    return f"<tr><td>{name}</td><td>{inner}</td></tr>"


def _model(record: ModelRecord, now: datetime) -> str:
    failed = ", ".join(f"{count} {safe(kind)}" for kind, count in record.get("failures", {}).items() if count)
    median = f"{record['median_seconds']:.2f} s" if "median_seconds" in record else ""
    verdicts = f"+{record.get('good', 0)} −{record.get('bad', 0)}"  # noqa: RUF001 (a minus sign is meant)
    cells = (
        record.get("uses", 0),
        record.get("successes", 0),
        failed or 0,
        median,
        verdicts,
        f"{score(record, now):.2f}",
    )
    return f"<tr><td><code>{safe(record['id'])}</code></td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def uses_frame(backend: Backend) -> pd.DataFrame:
    """Return how often each route used models, and how that ended: columns route, outcome, uses.

    What is neither an answer nor a failure of the model was only routed, or was stopped, or failed for a reason that
    is not the model's, such as a rate limit: the history counts that as a use and no more.
    """
    rows = []
    for route in backend.routes():
        records = backend.models(route.name)
        answered = sum(record.get("successes", 0) for record in records)
        failed = sum(sum(record.get("failures", {}).values()) for record in records)
        used = sum(record.get("uses", 0) for record in records)
        counts = zip(OUTCOMES, (answered, failed, used - answered - failed), strict=True)
        rows += [(route.name, outcome, count) for outcome, count in counts]
    return pd.DataFrame([row for row in rows if row[2] > 0], columns=["route", "outcome", "uses"])


def decisions_frame(chat: Chat) -> pd.DataFrame:
    """Give how sure the router was of each decision of a chat: columns decision, confidence."""
    decisions = [(number, turn.result["decision"]) for number, turn in enumerate(chat.turns, 1)]
    rows = [
        (f"{n}  {made['route'] or 'none'}", made["confidence"])
        for n, made in decisions
        if made["confidence"] is not None
    ]
    return pd.DataFrame(rows, columns=["decision", "confidence"])
