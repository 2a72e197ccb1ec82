"""The flags of `omni-router serve`."""

import argparse
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from omni_router.arguments import add_fallback_route, add_max_new_tokens
from omni_router.config.environment import RouterName
from omni_router.parser import Parser

HOST, PORT = "127.0.0.1", 8080
PORTS = {"http": 80, "https": 443}  # which browsers leave out of an origin

EXAMPLES = """\
routes:
  POST /v1/chat/completions      as OpenAI's: plain or streamed, tools, images, structured output
  POST /v1/images/generations    an image
  POST /v1/route                 the body of a chat; only the decision, without calling a model
  GET  /v1/models                omni (the router chooses), omni/ROUTE, and models of the Hub
  GET  /omni/health, /omni/ready, /omni/metrics; GET / lists the paths

A line on stderr for each request: method, path, route, model, status, seconds.

examples:
  omni-router serve --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router serve --port 9000
        real models, for this machine only
  omni-router serve --cors http://localhost:5173
        for a page of your own that calls it from a browser
  OMNI_API_KEY=... HF_TOKEN=hf_... omni-router serve --host 0.0.0.0
        for other machines, which send the key as `Authorization: Bearer ...`

environment (in addition to that of omni-router --help; a flag wins):
  OMNI_API_KEY           the key that clients have to send; without one, only this machine is served
  OMNI_MAX_BODY          the largest body of a request, in bytes (20000000)
  OMNI_MAX_CONCURRENT    how many requests run at once (128); further ones get status 429
  OMNI_HOSTS             further host names to answer to, separated by commas; * is every name

Ctrl-C stops the server once the answers under way are sent, or after 20 seconds; a second Ctrl-C
stops it at once.

exit status: 0 stopped by Ctrl-C or SIGTERM, 130 by a second Ctrl-C, 2 something to correct first
"""


def serve_parser() -> Parser:
    """Make the parser of what comes after `serve`."""
    parser = Parser(
        "omni-router serve",
        usage="omni-router serve [FLAG ...]",
        description="Serve the graph to OpenAI clients, without the LangGraph server.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(act="omni_router.server.serve:serve", debug_router=False)
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help=f"where to listen ({HOST}: this machine only)")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"the port ({PORT}); 0: any free one")
    parser.add_argument("--router", choices=get_args(RouterName), help="the router engine (auto)")
    parser.add_argument("--router-model", metavar="ID|PATH", help="the checkpoint of the router, or the encoder")
    parser.add_argument("--router-url", metavar="URL", help="an OpenAI-compatible server, for endpoint or cascade")
    parser.add_argument("--route-config", type=_path, metavar="PATH", help="policy and history (./route_config.json)")
    add_fallback_route(parser)
    add_max_new_tokens(parser)
    parser.add_argument("--history", metavar="WHERE", help="file, or postgresql://USER@HOST/DATABASE")
    parser.add_argument("--hf-token", metavar="T", help="Hugging Face token (HF_TOKEN keeps it out of the history)")
    parser.add_argument("--sandbox", action="store_true", help="simulated models: no token, no network, no cost")
    parser.add_argument("--output-dir", type=_path, metavar="DIR", help="the folder for generated images (./outputs)")
    parser.add_argument("--decision-log", type=_path, metavar="PATH", help="append every decision to this file")
    parser.add_argument("--cors", type=_origin, action="append", default=[], metavar="ORIGIN",
                        help="let pages of this origin call the server; may be repeated (none)")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="write no line for each request")
    parser.add_argument(
        "--log-text", action="store_true", help="keep the text of requests in the log, not only its hash"
    )
    return parser


def _path(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; allowed are 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    """Read an origin, and write it as browsers do: in small letters, without the scheme's usual port."""
    wrong = argparse.ArgumentTypeError(
        f"{text!r} is not an origin, such as https://chat.example or http://localhost:5173"
    )
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise wrong from None
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in PORTS or not parts.hostname or not bare:
        raise wrong
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" if port in (None, PORTS[parts.scheme]) else f"{parts.scheme}://{host}:{port}"
