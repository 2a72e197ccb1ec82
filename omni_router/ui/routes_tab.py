"""The second tab: the routes, the models they used, and the models' results."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import gradio as gr
import pandas as pd  # type: ignore[import-untyped]  # it comes with Gradio, its stubs do not

from omni_router.config.routes import Route
from omni_router.costs import as_decimal
from omni_router.history.protocol import ModelRecord
from omni_router.selection.ranking import score
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat
from omni_router.ui.components import code, note, safe

HEIGHT = 260  # the height of a plot, in pixels
COLOURS = {"answered": "#3f8f6b", "failed": "#c4553b", "not counted": "#9aa0a6"}  # colours by the outcome of a use
MODEL_COLUMNS = ("model", "uses", "answered", "failed", "median", "cost", "feedback", "score")
NOT_COUNTED = note("Not counted: only routed, stopped, or failed for a reason that has nothing to do with the model.")
ON_THE_SERVER = note(
    "The server keeps the routes and their history: run <code>omni-router --list-routes</code> there to see them. "
    "The plot shows this chat."
)


def routes_tab(tab: gr.Tab, chat: gr.State, backend: Backend) -> None:
    """Lay out the tab; it is filled whenever it is opened."""
    with gr.Row(elem_id="omni-plots"):
        uses = gr.BarPlot(
            x="route", y="uses", color="outcome", title="Uses by route", x_title=" ", y_title=" ",
            color_map=COLOURS, height=HEIGHT, visible=backend.keeps_feedback, x_label_angle=-20,
        )  # fmt: skip
        confidence = gr.BarPlot(
            x="decision", y="confidence", title="Confidence of this chat's decisions", height=HEIGHT,
            y_lim=[0, 1], x_title=" ", y_title=" ", x_label_angle=-20,
        )  # fmt: skip
    gr.HTML(NOT_COUNTED, visible=backend.keeps_feedback)
    table = gr.HTML(elem_id="omni-routes")

    def fill(chat: Chat | None) -> tuple[Any, Any, str]:
        return uses_frame(backend), decisions_frame(chat or Chat()), routes_table(backend)

    tab.select(fill, chat, [uses, confidence, table], show_progress="hidden", api_visibility="private")


def routes_table(backend: Backend) -> str:
    """Return the routes and the models they used, as HTML."""
    if not backend.keeps_feedback:
        return ON_THE_SERVER
    now = datetime.now(timezone.utc)
    rows = []
    for route in backend.routes():
        models = _models_table(backend.models(route.name), now)
        rows.append(f"<tr><td>{_about(route, backend.examples(route))}</td><td>{models}</td></tr>")
    head = "<tr><th>Route, task, examples</th><th>Models, best first</th></tr>"
    return f'<table class="omni-routes"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _about(route: Route, examples: int) -> str:
    facts = f"{code(route.task)} <span>{examples} examples</span>"
    return f"<b>{safe(route.name)}</b> {facts}<p>{safe(route.description)}</p>"


def _models_table(records: Sequence[ModelRecord], now: datetime) -> str:
    if not records:
        return '<span class="omni-none">no model used yet</span>'
    head = "".join(f"<th>{name}</th>" for name in MODEL_COLUMNS)
    rows = "".join(_model_row(record, now) for record in records)
    return f"<table><tr>{head}</tr>{rows}</table>"


def _model_row(record: ModelRecord, now: datetime) -> str:
    failures = [f"{count} {safe(kind)}" for kind, count in record.get("failures", {}).items() if count]
    median = record.get("median_seconds")
    cells = [
        code(record["id"]),
        str(record.get("uses", 0)),
        str(record.get("successes", 0)),
        ", ".join(failures) or "0",
        "" if median is None else f"{median:.2f} s",
        _cost(record),
        f"+{record.get('good', 0)} −{record.get('bad', 0)}",  # noqa: RUF001 (a minus sign is meant)
        f"{score(record, now):.2f}",
    ]
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr>{row}</tr>"


def _cost(record: ModelRecord) -> str:
    """Return what the model has cost, and of how many answers that is not known."""
    parts: list[str] = []
    if "cost" in record:
        parts.append(f"${as_decimal(record['cost'])}")
    if unknown := record.get("unknown_costs"):
        parts.append(f"{unknown} not known")
    return safe(", ".join(parts))


def uses_frame(backend: Backend) -> pd.DataFrame:
    """Return how often each route used models, and how that ended: columns route, outcome, uses.

    A use that is neither an answer nor a failure of the model was only routed, was stopped, or failed for a reason
    that has nothing to do with the model, such as a rate limit: the history counts it as a use and no more.
    """
    rows = []
    for route in backend.routes():
        for outcome, count in _count_outcomes(backend.models(route.name)).items():
            if count > 0:
                rows.append((route.name, outcome, count))
    return pd.DataFrame(rows, columns=["route", "outcome", "uses"])


def _count_outcomes(records: Sequence[ModelRecord]) -> dict[str, int]:
    uses = answered = failed = 0
    for record in records:
        uses += record.get("uses", 0)
        answered += record.get("successes", 0)
        failed += sum(record.get("failures", {}).values())
    return {"answered": answered, "failed": failed, "not counted": uses - answered - failed}


def decisions_frame(chat: Chat) -> pd.DataFrame:
    """Return how sure the router was of each decision of a chat: columns decision, confidence."""
    rows = []
    for number, turn in enumerate(chat.turns, 1):
        route, confidence = turn.decision["route"] or "none", turn.decision["confidence"]
        if confidence is not None:
            rows.append((f"{number}  {route}", confidence))
    return pd.DataFrame(rows, columns=["decision", "confidence"])
