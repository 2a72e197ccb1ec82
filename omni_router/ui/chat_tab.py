"""The first tab: the conversation, the field to ask in, and the verdict on the newest answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from omni_router.config.settings import Settings
from omni_router.routers import OTHER
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat
from omni_router.ui.turn import Request, View, take_turn
from omni_router.ui.verdicts import BAD, GOOD, judge

GARDEN = Path(__file__).with_name("garden.png")
EXAMPLES: tuple[tuple[str, list[str]], ...] = (
    ("Explain tides to a ten-year-old in three sentences.", []),
    ("Write a Python function to check if a number is prime.", []),
    ("Paint a picture of a lighthouse at dusk, in watercolour.", []),
    ("What kind of flower is the one with purple petals?", [str(GARDEN)]),
)
READY_TO_SEND: dict[str, Any] = {"submit_btn": True, "stop_btn": False}
RUNNING: dict[str, Any] = {"submit_btn": False, "stop_btn": True}
RUNS = 16  # turns at once; the others wait in line
NO_VERDICT = "The server keeps the history: judge its decisions there, with <code>omni-router --feedback</code>."
START = (
    '<div class="omni-start"><h2>What would you like?</h2>'
    "<p>Every answer says which route and which model it took, and why. Tell it when that was wrong: it learns.</p></div>"
)


def chat_tab(chat: gr.State, backend: Backend, folder: Path) -> None:
    """Lay out the tab and wire it."""
    shown = gr.Chatbot(
        elem_id="omni-chat", show_label=False, placeholder=START, layout="bubble", height="100%", min_height=200,
        buttons=["copy"], allow_tags=False, feedback_options=None, group_consecutive_messages=False,
        examples=[{"text": text, "files": [*files]} for text, files in EXAMPLES],
    )  # fmt: skip
    with gr.Column(visible=False, elem_id="omni-verdict") as verdicts:
        with gr.Row(elem_id="omni-verdict-row"):
            gr.HTML('<span class="omni-ask">Was this right?</span>')
            good = gr.Button("Good", size="sm", elem_id="omni-good")
            bad = gr.Button("Bad", size="sm", elem_id="omni-bad")
            gr.HTML('<span class="omni-ask">or it should have been</span>')
            route = gr.Radio([], show_label=False, container=False, elem_id="omni-route")
        kept = gr.HTML(elem_id="omni-kept")
    notice = gr.HTML(elem_id="omni-notice")
    field = gr.MultimodalTextbox(
        elem_id="omni-field", show_label=False, placeholder="Ask for anything …", file_types=["image"],
        file_count="single", sources=["upload"], max_plain_text_length=100_000, autofocus=True,
    )  # fmt: skip
    with gr.Row(elem_id="omni-below"):
        address = gr.Textbox(
            elem_id="omni-address", show_label=False, container=False, max_lines=1, scale=4,
            placeholder="Address of a picture (optional): https://…",
        )  # fmt: skip
        clear = gr.Button("New chat", size="sm", scale=1, elem_id="omni-clear")

    async def answer(given: dict[str, Any], url: str, kept_chat: Chat | None) -> AsyncIterator[tuple[Any, ...]]:
        file = next(iter(given["files"]), None)
        request = Request(given["text"] or "", file, url or "")
        async for view in take_turn(kept_chat or Chat(), request, backend, folder, Settings()):
            yield _shown(view, backend)

    outputs = [shown, chat, field, address, notice, verdicts, route, kept]
    running = field.submit(
        answer, [field, address, chat], outputs, concurrency_limit=RUNS, show_progress="hidden", api_visibility="private"
    )
    def say(verdict: str, kept_chat: Chat | None) -> str:
        return judge(kept_chat or Chat(), verdict, backend)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    field.stop(lambda: gr.update(**READY_TO_SEND), None, field, cancels=[running], **quiet)
    shown.example_select(_filled, None, field, queue=False, **quiet)
    good.click(lambda kept_chat: say(GOOD, kept_chat), chat, kept, **quiet)
    bad.click(lambda kept_chat: say(BAD, kept_chat), chat, kept, **quiet)
    route.input(say, [route, chat], kept, **quiet)

    def begin_anew(kept_chat: Chat | None) -> tuple[Any, ...]:
        if kept_chat:
            backend.forget(kept_chat.thread)
        return ([], Chat(), gr.update(value=None, **READY_TO_SEND), "", "", *_verdict_bar(Chat(), backend, ended=False))

    clear.click(begin_anew, chat, outputs, cancels=[running], **quiet)


def _filled(chosen: gr.SelectData) -> dict[str, Any]:
    text, files = EXAMPLES[chosen.index]
    return {"text": text, "files": [*files]}


def _shown(view: View, backend: Backend) -> tuple[Any, ...]:
    """Give the outputs of a view, in their order."""
    emptied = {"value": None} if view.taken and not view.ended else {}
    field = gr.update(**(READY_TO_SEND if view.ended else RUNNING), **emptied)
    address = gr.update(value="") if emptied else gr.update()
    return (view.chat.shown, view.chat, field, address, view.notice, *_verdict_bar(view.chat, backend, ended=view.ended))


def _verdict_bar(chat: Chat, backend: Backend, *, ended: bool) -> tuple[Any, ...]:
    """Offer verdicts on the newest answer once it is complete: bar, routes, what came of the last one."""
    if not ended or not chat.turns:
        return gr.update(visible=False), gr.update(), ""
    if not backend.keeps_feedback:
        return gr.update(visible=True), gr.update(choices=[]), f'<div class="omni-kept">{NO_VERDICT}</div>'
    taken = chat.turns[-1].result["decision"]["route"]
    names = [route.name for route in backend.routes() if route.name != taken]
    return gr.update(visible=True), gr.update(choices=[*names, OTHER], value=None), ""
