"""The small pieces of the page: HTML of our own in which any text is harmless, and parts of a chat message."""

from collections.abc import Iterable
from html import escape
from typing import Any

import gradio as gr

_TEMPLATE_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "${}"}

# Read once, here: while an event is handled, a Gradio component only records its arguments.
_HTML_PROPS = gr.HTML(js_on_load=None).get_config()


def safe(text: object) -> str:
    """Escape a text for HTML, on one line; dollars and braces have a meaning in Gradio's templates."""
    return " ".join(escape(str(text)).translate(_TEMPLATE_MARKS).split())


def code(text: object) -> str:
    """Return an id or a name as HTML."""
    return f"<code>{safe(text)}</code>"


def bullet_list(items: Iterable[str]) -> str:
    """Return a list of pieces of HTML."""
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{rows}</ul>"


def waiting(text: str) -> str:
    """Return what stands in the place of the badge until there is one."""
    return f'<div class="omni-waiting">{safe(text)}</div>'


def folded_reasoning(text: str) -> str:
    """Return what a model thought before its answer, as HTML that opens on a click."""
    lines = "<br>".join(map(safe, text.strip().splitlines()))
    summary = f"Reasoning · {len(text.split()):,} words"
    return f'<details class="omni-reasoning"><summary>{summary}</summary><div>{lines}</div></details>'


def problem(message: str, hint: str = "") -> str:
    """Return an error as HTML: what happened, and what to do about it."""
    remedy = f"<p>{safe(hint)}</p>" if hint else ""
    return f'<div class="omni-problem"><strong>{safe(message)}</strong>{remedy}</div>'


def note(text: str) -> str:
    """Return a remark below a plot or a table; the text is HTML."""
    return f'<div class="omni-note">{text}</div>'


def feedback_note(text: str) -> str:
    """Return the line below the buttons for feedback; the text is HTML."""
    return f'<div class="omni-kept">{text}</div>'


def html_part(text: str) -> dict[str, Any]:
    """Build a part of a message from HTML of our own: it is not read as Markdown, and has no source to copy."""
    return {
        "type": "component",
        "component": "html",
        "constructor_args": {},
        "value": text,
        "props": {**_HTML_PROPS, "value": text},
    }


def file_part(path: str) -> dict[str, Any]:
    """Build a part of a message that shows a file; Gradio plays or shows it by its type."""
    return {"path": path}
