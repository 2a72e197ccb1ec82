"""The page: its two tabs, how it is served, and how it looks (with the stylesheet page.css)."""

from functools import partial
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from omni_router.images import MAX_BYTES
from omni_router.server.allowed_hosts import HostGuard, allowed_hosts
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat
from omni_router.ui.chat_tab import CONCURRENT_TURNS, GARDEN, chat_tab
from omni_router.ui.components import safe
from omni_router.ui.routes_tab import routes_tab

TITLE = "omni-router"
SENTENCE = "Ask for text or an image, or about an image: a small local router picks the route and the model for each."
QUEUE_SIZE = 64  # turns that wait, before more are refused
REMEDY = "name their host in OMNI_HOSTS"
UPLOAD_SECONDS = 3600  # the age at which an uploaded file is deleted, and how often that is checked
STYLESHEET = Path(__file__).with_name("page.css")
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# An answer is Markdown, and may hold the address of an image: fetching it would tell that host who reads the answer.
HEAD = (
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'\">"
)


def launch(page: gr.Blocks, *, host: str, port: int, in_browser: bool = False) -> None:
    """Serve the page in threads of its own; the only files served are those shown or uploaded, and the example.

    Raises:
        ConfigurationError: a name in OMNI_HOSTS is not a host name.
    """
    guard = Middleware(HostGuard, allowed=allowed_hosts(also=[host]), remedy=REMEDY)
    page.queue(default_concurrency_limit=CONCURRENT_TURNS, max_size=QUEUE_SIZE, api_open=False)
    page.launch(
        server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True, inbrowser=in_browser,
        allowed_paths=[str(GARDEN)], max_file_size=MAX_BYTES, footer_links=[],
        run_history=False, enable_monitoring=False, ssr_mode=False, mcp_server=False, pwa=False,
        theme=theme(), css_paths=STYLESHEET, head=HEAD, app_kwargs={"middleware": [guard]},
    )  # fmt: skip


def build_page(backend: Backend, banner: str, folder: Path) -> gr.Blocks:
    """Lay out the page and wire it; `banner` is a sentence for its top, or empty."""
    page = gr.Blocks(
        title=TITLE, analytics_enabled=False, fill_height=True, delete_cache=(UPLOAD_SECONDS, UPLOAD_SECONDS)
    )
    with page:
        chat = gr.State(None, delete_callback=partial(_forget, backend))
        gr.HTML(f'<header class="omni-head"><h1>{TITLE}</h1><p>{SENTENCE}</p></header>')
        if banner:
            gr.HTML(f'<div class="omni-banner">{safe(banner)}</div>')
        with gr.Tabs():
            with gr.Tab("Chat"):
                chat_tab(chat, backend, folder)
            with gr.Tab("Routes & history") as tab:
                routes_tab(tab, chat, backend)
    return page


def _forget(backend: Backend, chat: Chat | None) -> None:
    if chat is not None:
        backend.forget(chat.thread)


def theme() -> gr.themes.Base:
    """Build the theme: greys, light and dark, and fonts of the system; the stylesheet has the accent."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.slate,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.gray,
        radius_size=gr.themes.sizes.radius_lg,
        font=list(map(gr.themes.Font, SANS)),
        font_mono=list(map(gr.themes.Font, MONO)),
    )
    return base.set(
        body_background_fill="white",
        body_background_fill_dark="*neutral_950",
        block_border_width="0px",
        block_shadow="none",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        background_fill_primary_dark="*neutral_950",
        button_primary_background_fill="*neutral_900",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*neutral_100",
        button_primary_background_fill_hover_dark="*neutral_300",
        button_primary_text_color_dark="*neutral_900",
    )
