"""The page: its two tabs, and how it is served."""

from functools import partial
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from omni_router.images import MAX_BYTES
from omni_router.server.allowed_hosts import HostGuard, allowed_hosts
from omni_router.ui.backend import Backend
from omni_router.ui.badge import safe
from omni_router.ui.chat import Chat
from omni_router.ui.chat_tab import GARDEN, RUNS, chat_tab
from omni_router.ui.routes_tab import routes_tab
from omni_router.ui.theme import HEAD, STYLESHEET, theme

TITLE = "omni-router"
SENTENCE = "Ask for a text, a picture, or about a picture: a small local router picks the route and the model for each."
WAITING = 64  # requests in line, before more are turned away
REMEDY = "name their host in OMNI_HOSTS"
FORGET = 3600  # seconds after which an uploaded file is dropped


def launch(page: gr.Blocks, *, host: str, port: int, in_browser: bool = False) -> None:
    """Serve the page from threads of its own; of files, only what was shown or uploaded and the example are served.

    Raises:
        ConfigurationError: a name in OMNI_HOSTS cannot be one.
    """
    guard = Middleware(HostGuard, allowed=allowed_hosts(also=[host]), remedy=REMEDY)
    page.queue(default_concurrency_limit=RUNS, max_size=WAITING, api_open=False)
    page.launch(
        server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True, inbrowser=in_browser,
        allowed_paths=[str(GARDEN)], max_file_size=MAX_BYTES, footer_links=[],
        run_history=False, enable_monitoring=False, ssr_mode=False, mcp_server=False, pwa=False,
        theme=theme(), css_paths=STYLESHEET, head=HEAD, app_kwargs={"middleware": [guard]},
    )  # fmt: skip


def build_page(backend: Backend, banner: str, folder: Path) -> gr.Blocks:
    """Lay out the page and wire it; `banner` is a sentence for its top, or nothing."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_height=True, delete_cache=(FORGET, FORGET)) as made:
        chat = gr.State(None, delete_callback=partial(_forget, backend))
        gr.HTML(f'<header class="omni-head"><h1>{TITLE}</h1><p>{SENTENCE}</p></header>')
        if banner:
            gr.HTML(f'<div class="omni-banner">{safe(banner)}</div>')
        with gr.Tabs():
            with gr.Tab("Chat"):
                chat_tab(chat, backend, folder)
            with gr.Tab("Routes & history") as tab:
                routes_tab(tab, chat, backend)
    page: gr.Blocks = made
    return page


def _forget(backend: Backend, chat: Chat | None) -> None:
    if chat is not None:
        backend.forget(chat.thread)
