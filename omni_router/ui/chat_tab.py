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

EXAMPLES = {
    "Explain something": "Explain tides to a ten-year-old in three sentences.",
    "Write code": "Write a Python function to check if a number is prime.",
    "Make a picture": "Paint a picture of a lighthouse at dusk, in watercolour.",
    "Ask about a picture": "What kind of flower is in this picture? https://example.com/garden.jpg",
}
RUNS = 16  # turns at once; the others wait in line
NO_VERDICT = "The server keeps the history: judge its decisions there, with <code>omni-router --feedback</code>."
START = (
    '<div class="omni-start"><p>Each answer says which route and model it took, and why.</p>'
    "<p>Drop or paste a picture, or its address.</p></div>"
)


def chat_tab(chat: gr.State, backend: Backend, folder: Path) -> None:
    """Lay out the tab and wire it."""
    shown = gr.Chatbot(
        elem_id="omni-chat", show_label=False, placeholder=START, layout="panel", height="100%", min_height=320,
        buttons=["copy"], allow_tags=False, scale=1, group_consecutive_messages=False, feedback_options=None,
    )  # fmt: skip
    with gr.Row(elem_id="omni-examples") as examples:
        buttons = [gr.Button(name, size="sm", elem_classes="omni-example") for name in EXAMPLES]
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
        file_count="single", sources=["upload"], max_plain_text_length=100_000, autofocus=True, stop_btn=True,
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

    outputs = [shown, chat, field, address, notice, examples, verdicts, route, kept]
    running = field.submit(
        answer, [field, address, chat], outputs, concurrency_limit=RUNS, show_progress="hidden", api_visibility="private"
    )
    field.stop(None, cancels=[running], api_visibility="private")
    for button, text in zip(buttons, EXAMPLES.values(), strict=True):
        button.click(_filled(text), None, field, show_progress="hidden", queue=False, api_visibility="private")

    def say(verdict: str, kept_chat: Chat | None) -> str:
        return judge(kept_chat or Chat(), verdict, backend)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    good.click(lambda kept_chat: say(GOOD, kept_chat), chat, kept, **quiet)
    bad.click(lambda kept_chat: say(BAD, kept_chat), chat, kept, **quiet)
    route.input(say, [route, chat], kept, **quiet)

    def begin_anew(kept_chat: Chat | None) -> tuple[Any, ...]:
        if kept_chat:
            backend.forget(kept_chat.thread)
        return ([], Chat(), None, "", "", *_verdict_bar(Chat(), backend, ended=False))

    clear.click(begin_anew, chat, outputs, cancels=[running], **quiet)


def _filled(text: str) -> Any:
    return lambda: {"text": text, "files": []}


def _shown(view: View, backend: Backend) -> tuple[Any, ...]:
    """Give the outputs of a view, in their order."""
    field = gr.update(value=None) if view.taken and not view.ended else gr.update()
    address = gr.update(value="") if view.taken and not view.ended else gr.update()
    return (view.chat.shown, view.chat, field, address, view.notice, *_verdict_bar(view.chat, backend, ended=view.ended))


def _verdict_bar(chat: Chat, backend: Backend, *, ended: bool) -> tuple[Any, ...]:
    """Show examples before the first request, and the verdicts on the newest answer after it."""
    examples = gr.update(visible=not chat.shown)
    if not ended or not chat.turns:
        return examples, gr.update(visible=False), gr.update(), ""
    if not backend.keeps_feedback:
        return examples, gr.update(visible=True), gr.update(choices=[]), f'<div class="omni-kept">{NO_VERDICT}</div>'
    taken = chat.turns[-1].result["decision"]["route"]
    names = [route.name for route in backend.routes() if route.name != taken]
    return examples, gr.update(visible=True), gr.update(choices=[*names, OTHER], value=None), ""
