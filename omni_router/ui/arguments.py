"""The flags of `omni-router ui`."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from omni_router.arguments import add_fallback_route, add_max_new_tokens
from omni_router.parser import Parser

EXAMPLES = """\
examples:
  omni-router ui --sandbox
        the page with simulated models, on http://127.0.0.1:7860: no token, no network
  HF_TOKEN=hf_... omni-router ui
        the same with real ones; without a token the page uses the sandbox, and says so
  omni-router ui --server http://127.0.0.1:2024
        talk to the graph of a LangGraph server (make serve) instead of one in this process
  omni-router ui --host 0.0.0.0 --port 8000
        for other machines; everyone who can open the page spends the credit of your token

Without names in OMNI_HOSTS the page answers to this machine's name and addresses alone.

The page sends data only to the models that are called: no analytics, no external fonts, no share
link. Variables, policy and history are those of omni-router (omni-router --help).

exit status: 130 after Ctrl-C, 2 something to correct first
"""
PORT = 7860
MAX_PORT = 65_535


def ui_parser() -> Parser:
    """Make the parser of the flags after `ui`."""
    parser = Parser(
        "omni-router ui",
        usage="omni-router ui [FLAG ...]",
        description="Chat with the router on a web page that shows why each model was chosen.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(act="omni_router.ui.command:serve_page")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"the port ({PORT})")
    parser.add_argument("--server", type=_url, metavar="URL", help="a LangGraph server to use instead of this process")
    parser.add_argument("--sandbox", action="store_true", help="simulated models: no token, no network, no cost")
    parser.add_argument("--hf-token", metavar="T", help="Hugging Face token (HF_TOKEN keeps it out of the history)")
    parser.add_argument("--route-config", type=Path, metavar="PATH", help="policy and history (./route_config.json)")
    parser.add_argument("--output-dir", type=Path, metavar="DIR",
                        help="the folder for generated images (./outputs); with --server the folder of the "
                             "server, when it is on this machine")  # fmt: skip
    add_fallback_route(parser)
    add_max_new_tokens(parser)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a whole number from 1 to {MAX_PORT}")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not the address of a server, such as http://127.0.0.1:2024")
    return text.rstrip("/")
