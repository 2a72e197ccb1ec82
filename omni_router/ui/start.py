"""The page as a server: the graph it talks to, its address, and its banner when models are simulated."""

import logging
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, missing_package
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from omni_router.ui.backend import Backend

logger = logging.getLogger("omni_router")

# A simulated answer streams at about the pace of a real one, so that the page looks as it does with a token.
SANDBOX_PACE = 0.02


class Opened(NamedTuple):
    """A graph to talk to, a banner about it, and the folder that images are shown from."""

    backend: "Backend"
    banner: str
    folder: Path


def serve_page(opened: Opened, *, host: str, port: int, in_browser: bool) -> None:
    """Serve the page until the process is ended."""
    from omni_router.ui.page import build_page, launch

    launch(build_page(*opened), host=host, port=port, in_browser=in_browser)
    logger.info("the page is at http://%s:%d (Ctrl-C stops it)", _host_in_url(host), port)
    threading.Event().wait()


def check_gradio() -> None:
    """Check that Gradio can be imported, with its analytics off: it reads that setting at its import.

    Raises:
        ConfigurationError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise missing_package("the page needs Gradio", "ui") from error


def open_server(url: str, folder: Path) -> Opened:
    """Return the graph of a LangGraph server.

    Raises:
        ConfigurationError: no LangGraph server answers there.
    """
    from omni_router.ui.remote import ServerBackend, runs_sandbox

    return Opened(ServerBackend(url), server_banner(url, sandbox=runs_sandbox(url)), folder)


def open_local(environment: Environment, token: str | None, *, token_missing: bool = False) -> Opened:
    """Return a graph of this process, whose router is loaded in the background.

    Raises:
        ConfigurationError: the environment is not usable.
    """
    from omni_router.routers import OTHER
    from omni_router.services import Services
    from omni_router.ui.local import LocalBackend

    services = Services.from_environment(environment, token=token)
    services.history.examples(
        OTHER
    )  # OMNI_HISTORY=store, which needs a host's graph, fails now and not at the first request
    backend = LocalBackend(services)
    threading.Thread(target=backend.warm_up, daemon=True).start()  # it takes seconds
    if simulation := active_simulation():
        simulation.chunk_delay = SANDBOX_PACE
    return Opened(backend, banner_of(environment, missing=token_missing), environment.output_dir)


def server_banner(url: str, *, sandbox: bool) -> str:
    """Return which server the page talks to, and whether its models are simulated."""
    banner = f"Talking to the LangGraph server at {url}."
    if sandbox:
        banner += " Sandbox: answers and images are simulated there; the routing is real."
    return banner


def banner_of(environment: Environment, *, missing: bool) -> str:
    """Return a banner that says what is simulated; empty when nothing is."""
    if not environment.sandbox:
        return ""
    if missing:
        return (
            "No Hugging Face token was found, so answers and images are simulated (sandbox); the routing is real. "
            "Set HF_TOKEN for real ones."
        )
    return "Sandbox: answers and images are simulated on this machine; the routing is real."


def check_free(host: str, port: int) -> None:
    """Check that a port is free, before anything is loaded.

    Raises:
        ConfigurationError: the port is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"the page cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
            ) from error


def _host_in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared)
        return "127.0.0.1"
    if ":" in host:
        return f"[{host}]"
    return host
