"""The second tab, laid out and wired."""

from typing import Any

import gradio as gr

from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat
from omni_router.ui.history import OUTCOMES, decisions_frame, routes_table, uses_frame

HEIGHT = 260  # of a plot, in pixels
NOT_COUNTED = (
    '<div class="omni-note">Not counted: only routed, stopped, or failed for a reason that is not the model\'s.</div>'
)
COLOURS = ("#3f8f6b", "#c4553b", "#9aa0a6")  # of the outcomes


def routes_tab(tab: gr.Tab, chat: gr.State, backend: Backend) -> None:
    """Lay out the tab; it is read anew whenever it is opened."""
    with gr.Row(elem_id="omni-plots"):
        uses = gr.BarPlot(
            x="route", y="uses", color="outcome", title="Uses by route", x_title=" ", y_title=" ",
            color_map=dict(zip(OUTCOMES, COLOURS, strict=True)), height=HEIGHT, visible=backend.keeps_feedback,
            x_label_angle=-20,
        )  # fmt: skip
        sure = gr.BarPlot(
            x="decision", y="confidence", title="Confidence of this chat's decisions", height=HEIGHT,
            y_lim=[0, 1], x_title=" ", y_title=" ", x_label_angle=-20,
        )  # fmt: skip
    gr.HTML(NOT_COUNTED, visible=backend.keeps_feedback)
    table = gr.HTML(elem_id="omni-routes")

    def read(kept: Chat | None) -> tuple[Any, Any, str]:
        return uses_frame(backend), decisions_frame(kept or Chat()), routes_table(backend)

    tab.select(read, chat, [uses, sure, table], show_progress="hidden", api_visibility="private")
