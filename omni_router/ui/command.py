"""`omni-router ui`: from flags to a page that is served until Ctrl-C."""

import argparse
import logging
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, missing_package
from omni_router.missing_policy import missing_policy
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from omni_router.ui.backend import Backend

logger = logging.getLogger("omni_router")

# A simulated answer streams at about the pace of a real one, so that the page looks as it does with a token.
SANDBOX_PACE = 0.02

# Settings that a server was started with, and that a page in front of it cannot change.
SERVERS_OWN = ("sandbox", "hf_token", "route_config", "fallback_route", "max_new_tokens")


def serve_page(args: argparse.Namespace) -> int:
    """Serve the page until the process is ended.

    Raises:
        ConfigurationError: flags contradict each other, the port is taken, Gradio is missing, the environment is
            not usable, or no LangGraph server answers at --server.
    """
    given = [flag for flag in SERVERS_OWN if getattr(args, flag)]
    if args.server and given:
        flags = " and ".join(f"--{flag.replace('_', '-')}" for flag in given)
        raise ConfigurationError(f"{flags} cannot be given with --server: that server has its own")
    check_free(args.host, args.port)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    try:
        from omni_router.ui.page import build_page, launch
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise missing_package("the page needs Gradio", "ui") from error
    backend, banner, folder = open_backend(args)
    launch(build_page(backend, banner, folder), host=args.host, port=args.port, in_browser=args.open)
    logger.info("the page is at http://%s:%d (Ctrl-C ends it)", _shown(args.host), args.port)
    threading.Event().wait()
    return 0


def open_backend(args: argparse.Namespace) -> "tuple[Backend, str, Path]":
    """Return the graph to talk to, what the page says of it, and the folder that pictures are shown from.

    Raises:
        ConfigurationError: the environment is not usable, or no LangGraph server answers at --server.
    """
    if args.server:
        from omni_router.ui.remote import ServerBackend, runs_sandbox

        folder = args.output_dir or Environment.read().output_dir
        return ServerBackend(args.server), server_banner(args.server, sandbox=runs_sandbox(args.server)), folder
    from omni_router.hub.tokens import find_token
    from omni_router.routers import OTHER
    from omni_router.services import Services
    from omni_router.ui.local import LocalBackend

    names = ("route_config", "output_dir", "fallback_route", "max_new_tokens")
    given: dict[str, Any] = {name: getattr(args, name) for name in names}
    environment = Environment.read(sandbox=args.sandbox or None, **given)
    missing = not environment.sandbox and not find_token(args.hf_token)
    if missing:
        environment = Environment.read(sandbox=True, **given)
    if note := missing_policy(environment, records=True):
        logger.info("%s", note)
    services = Services.from_environment(environment, token=args.hf_token)
    services.history.examples(OTHER)  # a history that only a host's graph has is told now, not at the first request
    backend = LocalBackend(services)
    threading.Thread(target=backend.warm_up, daemon=True).start()  # it takes seconds, in which nobody need wait
    if simulation := active_simulation():
        simulation.chunk_delay = SANDBOX_PACE
    return backend, banner_of(environment, missing=missing), environment.output_dir


def server_banner(url: str, *, sandbox: bool) -> str:
    """Say which server the page talks to, and whether its models are simulated."""
    talks = f"Talking to the LangGraph server at {url}."
    return f"{talks} Sandbox: answers and pictures are simulated there; the routing is real." if sandbox else talks


def banner_of(environment: Environment, *, missing: bool) -> str:
    """Say on the page what is simulated; empty when nothing is."""
    if not environment.sandbox:
        return ""
    if missing:
        return (
            "No Hugging Face token was found, so answers and pictures are simulated (sandbox); the routing is real. "
            "Set HF_TOKEN for real ones."
        )
    return "Sandbox: answers and pictures are simulated on this machine; the routing is real."


def check_free(host: str, port: int) -> None:
    """Say that a port is taken before anything is loaded.

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
                f"the page cannot listen on {host}:{port}: {error.strerror}; name another with --port"
            ) from error


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 (compared)
