"""The first tab: the conversation, the field to ask in, and feedback on the newest answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from omni_router.config.settings import Settings
from omni_router.routers import OTHER
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat, Request
from omni_router.ui.components import feedback_note
from omni_router.ui.feedback import BAD, GOOD, add_feedback
from omni_router.ui.turn import View, stop, take_turn

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
CONCURRENT_TURNS = 16  # more turns wait in a queue
MAX_PASTE = 100_000  # characters: Gradio turns a longer pasted text into a file, and only images are accepted
NO_FEEDBACK = feedback_note(
    "The server keeps the history: rate its decisions there, with <code>omni-router --feedback</code>."
)
START = (
    '<div class="omni-start"><h2>What would you like?</h2><p>Every answer shows which route and which model were '
    "chosen, and why. Say when that was wrong: the router learns from it.</p></div>"
)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Parts(NamedTuple):
    """The components of the tab that change, in the order of `_outputs`."""

    messages: gr.Chatbot
    chat: gr.State
    field: gr.MultimodalTextbox
    address: gr.Textbox
    notice: gr.HTML
    feedback: gr.Column
    route: gr.Radio
    effect: gr.HTML

    def outputs(self) -> list[Any]:
        """Return them as Gradio takes them."""
        return list(self)


def chat_tab(chat: gr.State, backend: Backend, folder: Path) -> None:
    """Lay out the tab and wire it."""
    messages = gr.Chatbot(
        elem_id="omni-chat", show_label=False, placeholder=START, layout="bubble", height="100%", min_height=200,
        buttons=["copy"], allow_tags=False, feedback_options=None, group_consecutive_messages=False,
        examples=[{"text": text, "files": [*files]} for text, files in EXAMPLES],
    )  # fmt: skip
    with gr.Column(visible=False, elem_id="omni-verdict") as feedback:
        with gr.Row(elem_id="omni-verdict-row", visible=backend.keeps_feedback):
            gr.HTML('<span class="omni-ask">Was this right?</span>')
            good = gr.Button("Good", size="sm", elem_id="omni-good")
            bad = gr.Button("Bad", size="sm", elem_id="omni-bad")
            gr.HTML('<span class="omni-ask">or the right route:</span>')
            route = gr.Radio([], label="The right route", show_label=False, container=False, elem_id="omni-route")
        with gr.Row(elem_id="omni-another-row"):
            another = gr.Button("Another model", size="sm", elem_id="omni-another")
        effect = gr.HTML(elem_id="omni-kept")
    notice = gr.HTML(elem_id="omni-notice")
    field = gr.MultimodalTextbox(
        elem_id="omni-field", label="Your request", show_label=False, placeholder="Ask for anything …",
        file_types=[*TYPES], file_count="single", sources=["upload"], max_plain_text_length=MAX_PASTE, autofocus=True,
    )  # fmt: skip
    with gr.Row(elem_id="omni-below"):
        address = gr.Textbox(
            elem_id="omni-address", label="Address of an image", show_label=False, container=False, scale=4,
            max_lines=1, placeholder="Address of an image (optional): https://…",
        )  # fmt: skip
        clear = gr.Button("New chat", size="sm", scale=1, elem_id="omni-clear")
    parts = Parts(messages, chat, field, address, notice, feedback, route, effect)
    _wire_turns(parts, clear, another, backend, folder)
    _wire_feedback(parts, good, bad, backend)


def _wire_turns(parts: Parts, clear: gr.Button, another: gr.Button, backend: Backend, folder: Path) -> None:
    async def answer(typed: dict[str, Any], address: str, chat: Chat | None) -> AsyncIterator[tuple[Any, ...]]:
        files = typed["files"] or [None]
        request = Request(typed["text"] or "", files[0], address or "")
        async for view in take_turn(chat or Chat(), request, backend, folder, Settings()):
            yield _outputs(view, backend)

    async def answer_again(chat: Chat | None) -> AsyncIterator[tuple[Any, ...]]:
        async for view in take_turn(chat or Chat(), None, backend, folder, Settings()):
            yield _outputs(view, backend)

    def start_over(chat: Chat | None) -> tuple[Any, ...]:
        if chat:
            backend.forget(chat.thread)
        empty = Chat()
        return ([], empty, gr.update(value=None, **READY), "", "", *_feedback(empty, backend, ended=False))

    def end(chat: Chat | None) -> tuple[Any, ...]:
        chat = chat or Chat()
        stop(chat)
        return chat.messages, chat, gr.update(**READY)

    outputs = parts.outputs()
    inputs = [parts.field, parts.address, parts.chat]
    running = parts.field.submit(answer, inputs, outputs, concurrency_limit=CONCURRENT_TURNS, **QUIET)
    again = another.click(answer_again, parts.chat, outputs, concurrency_limit=CONCURRENT_TURNS, **QUIET)
    under_way: list[Any] = [running, again]
    parts.field.stop(end, parts.chat, [parts.messages, parts.chat, parts.field], cancels=under_way, **QUIET)
    parts.messages.example_select(_example, None, parts.field, queue=False, **QUIET)
    clear.click(start_over, parts.chat, outputs, cancels=under_way, **QUIET)


def _wire_feedback(parts: Parts, good: gr.Button, bad: gr.Button, backend: Backend) -> None:
    def add(feedback: str, chat: Chat | None) -> str:
        return add_feedback(chat or Chat(), feedback, backend)

    good.click(lambda chat: add(GOOD, chat), parts.chat, parts.effect, **QUIET)
    bad.click(lambda chat: add(BAD, chat), parts.chat, parts.effect, **QUIET)
    parts.route.input(add, [parts.route, parts.chat], parts.effect, **QUIET)


def _example(selection: gr.SelectData) -> dict[str, Any]:
    text, files = EXAMPLES[selection.index]
    return {"text": text, "files": [*files]}


def _outputs(view: View, backend: Backend) -> tuple[Any, ...]:
    """Return the outputs of a view, in the order of `Parts`."""
    field, address = gr.update(**READY), gr.update()
    if not view.ended:
        field = gr.update(**RUNNING)
        if view.accepted:
            field, address = gr.update(value=None, **RUNNING), gr.update(value="")
    feedback = _feedback(view.chat, backend, ended=view.ended)
    return (view.chat.messages, view.chat, field, address, view.notice, *feedback)


def _feedback(chat: Chat, backend: Backend, *, ended: bool) -> tuple[Any, ...]:
    """Offer feedback on the newest answer once it is complete: the bar, the routes, what the last feedback did."""
    if not ended or not chat.turns:
        return gr.update(visible=False), gr.update(), ""
    if not backend.keeps_feedback:
        return gr.update(visible=True), gr.update(choices=[]), NO_FEEDBACK
    chosen = chat.turns[-1].decision["route"]
    names = [route.name for route in backend.routes() if route.name != chosen]
    return gr.update(visible=True), gr.update(choices=[*names, OTHER], value=None), ""
