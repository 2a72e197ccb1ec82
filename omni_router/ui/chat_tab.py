"""The first tab: the conversation, the field to ask in, and the verdict on the newest answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from omni_router.config.settings import Settings
from omni_router.routers import OTHER
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat
from omni_router.ui.feedback import BAD, GOOD, judge
from omni_router.ui.turn import Request, View, stop, take_turn

GARDEN = Path(__file__).with_name("garden.png")
EXAMPLES: tuple[tuple[str, list[str]], ...] = (
    ("Explain tides to a ten-year-old in three sentences.", []),
    ("Write a Python function to check if a number is prime.", []),
    ("Paint a picture of a lighthouse at dusk, in watercolour.", []),
    ("What kind of flower is the one with purple petals?", [str(GARDEN)]),
)
TYPES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
READY: dict[str, Any] = {"submit_btn": True, "stop_btn": False}
RUNNING: dict[str, Any] = {"submit_btn": False, "stop_btn": True}
RUNS = 16  # turns at once; the others wait in line
LONG = 100_000  # characters: Gradio makes a file of a pasted text that is longer, and no file but a picture is taken
NO_VERDICT = "The server keeps the history: judge its decisions there, with <code>omni-router --feedback</code>."
START = (
    '<div class="omni-start"><h2>What would you like?</h2><p>Every answer says which route and which model it took, '
    "and why. Tell it when that was wrong: it learns.</p></div>"
)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Parts(NamedTuple):
    """What of the tab changes, in the order of `_shown`, and what is only pressed."""

    shown: gr.Chatbot
    chat: gr.State
    field: gr.MultimodalTextbox
    address: gr.Textbox
    notice: gr.HTML
    bar: gr.Column
    route: gr.Radio
    kept: gr.HTML

    def outputs(self) -> list[Any]:
        """Give them as Gradio takes them."""
        return list(self)


def chat_tab(chat: gr.State, backend: Backend, folder: Path) -> None:
    """Lay out the tab and wire it."""
    shown = gr.Chatbot(
        elem_id="omni-chat", show_label=False, placeholder=START, layout="bubble", height="100%", min_height=200,
        buttons=["copy"], allow_tags=False, feedback_options=None, group_consecutive_messages=False,
        examples=[{"text": text, "files": [*files]} for text, files in EXAMPLES],
    )  # fmt: skip
    with gr.Column(visible=False, elem_id="omni-verdict") as bar:
        with gr.Row(elem_id="omni-verdict-row", visible=backend.keeps_feedback):
            gr.HTML('<span class="omni-ask">Was this right?</span>')
            good = gr.Button("Good", size="sm", elem_id="omni-good")
            bad = gr.Button("Bad", size="sm", elem_id="omni-bad")
            gr.HTML('<span class="omni-ask">or it should have been</span>')
            route = gr.Radio([], label="The right route", show_label=False, container=False, elem_id="omni-route")
        kept = gr.HTML(elem_id="omni-kept")
    notice = gr.HTML(elem_id="omni-notice")
    field = gr.MultimodalTextbox(
        elem_id="omni-field", label="Your request", show_label=False, placeholder="Ask for anything …",
        file_types=[*TYPES], file_count="single", sources=["upload"], max_plain_text_length=LONG, autofocus=True,
    )  # fmt: skip
    with gr.Row(elem_id="omni-below"):
        address = gr.Textbox(
            elem_id="omni-address", label="Address of a picture", show_label=False, container=False, scale=4,
            max_lines=1, placeholder="Address of a picture (optional): https://…",
        )  # fmt: skip
        clear = gr.Button("New chat", size="sm", scale=1, elem_id="omni-clear")
    parts = Parts(shown, chat, field, address, notice, bar, route, kept)
    _wire_turns(parts, clear, backend, folder)
    _wire_verdicts(parts, good, bad, backend)


def _wire_turns(parts: Parts, clear: gr.Button, backend: Backend, folder: Path) -> None:
    async def answer(given: dict[str, Any], url: str, chat: Chat | None) -> AsyncIterator[tuple[Any, ...]]:
        request = Request(given["text"] or "", next(iter(given["files"]), None), url or "")
        async for view in take_turn(chat or Chat(), request, backend, folder, Settings()):
            yield _shown(view, backend)

    def begin_anew(chat: Chat | None) -> tuple[Any, ...]:
        if chat:
            backend.forget(chat.thread)
        return ([], Chat(), gr.update(value=None, **READY), "", "", *_bar(Chat(), backend, ended=False))

    def end(chat: Chat | None) -> tuple[Any, ...]:
        chat = chat or Chat()
        stop(chat)
        return chat.shown, chat, gr.update(**READY)

    outputs = parts.outputs()
    given = [parts.field, parts.address, parts.chat]
    running = parts.field.submit(answer, given, outputs, concurrency_limit=RUNS, **QUIET)
    ended = [parts.shown, parts.chat, parts.field]
    parts.field.stop(end, parts.chat, ended, cancels=[running], **QUIET)
    parts.shown.example_select(_filled, None, parts.field, queue=False, **QUIET)
    clear.click(begin_anew, parts.chat, outputs, cancels=[running], **QUIET)


def _wire_verdicts(parts: Parts, good: gr.Button, bad: gr.Button, backend: Backend) -> None:
    def say(verdict: str, chat: Chat | None) -> str:
        return judge(chat or Chat(), verdict, backend)

    good.click(lambda chat: say(GOOD, chat), parts.chat, parts.kept, **QUIET)
    bad.click(lambda chat: say(BAD, chat), parts.chat, parts.kept, **QUIET)
    parts.route.input(say, [parts.route, parts.chat], parts.kept, **QUIET)


def _filled(chosen: gr.SelectData) -> dict[str, Any]:
    text, files = EXAMPLES[chosen.index]
    return {"text": text, "files": [*files]}


def _shown(view: View, backend: Backend) -> tuple[Any, ...]:
    """Give the outputs of a view, in the order of `Parts`."""
    emptied = {"value": None} if view.taken and not view.ended else {}
    field = gr.update(**(READY if view.ended else RUNNING), **emptied)
    address = gr.update(value="") if emptied else gr.update()
    return (view.chat.shown, view.chat, field, address, view.notice, *_bar(view.chat, backend, ended=view.ended))


def _bar(chat: Chat, backend: Backend, *, ended: bool) -> tuple[Any, ...]:
    """Offer verdicts on the newest answer once it is complete: bar, routes, what came of the last one."""
    if not ended or not chat.turns:
        return gr.update(visible=False), gr.update(), ""
    if not backend.keeps_feedback:
        return gr.update(visible=True), gr.update(choices=[]), f'<div class="omni-kept">{NO_VERDICT}</div>'
    taken = chat.turns[-1].result["decision"]["route"]
    names = [route.name for route in backend.routes() if route.name != taken]
    return gr.update(visible=True), gr.update(choices=[*names, OTHER], value=None), ""
