"""Parts of a chat message, as Gradio's chat shows them."""

from typing import Any

import gradio as gr

# Made once, here: while an event is handled, Gradio only takes a component's arguments down.
_PROPS = gr.HTML(js_on_load=None).get_config()


def html(text: str) -> dict[str, Any]:
    """Make a part that is HTML of our own: it is not read as Markdown, and has no source to copy."""
    shape: dict[str, Any] = {"type": "component", "component": "html", "constructor_args": {}}
    return {**shape, "value": text, "props": {**_PROPS, "value": text}}


def file_part(path: str) -> dict[str, Any]:
    """Build a part that shows a file; Gradio plays or shows it by its type."""
    return {"path": path}
