"""The flags of `omni-router eval`."""

import argparse
from pathlib import Path
from typing import get_args

from omni_router.config.environment import RouterName
from omni_router.parser import Parser

EXAMPLES = """\
DATA.jsonl has one request per line, with the route it should take:
  {"text": "Plot twist ideas?", "route": "creative_writing"}
  {"text": "What flower is this?", "image": true, "route": "image_understanding"}
  {"text": "asdf qwer", "route": "other"}
  {"messages": [{"role": "user", "content": "Sort a list in Go"},
                {"role": "assistant", "content": "..."},
                {"role": "user", "content": "and backwards?"}], "route": "code_generation"}
The request is the newest message. "image" (true or an address) attaches an image to it. "other" is
the answer where no route fits. A hundred lines give the accuracy to within 8 points, four hundred
to within 4.

examples:
  omni-router eval mine.jsonl
        how good the default router is; report and plots go to ./outputs/eval
  omni-router eval mine.jsonl --router semantic,arch
        compare two routers
  omni-router eval mine.jsonl --router endpoint --router-url http://127.0.0.1:8000/v1
        the model that an OpenAI-compatible server runs
  omni-router eval mine.jsonl --router semantic --json --min-accuracy 0.8 | jq .accuracy
        for a script or CI: exit status 1 below 0.8
  omni-router eval mine.jsonl --route-config new.json --compare outputs/eval/report.json \\
      --output-dir new
        what another policy changes, and whether the difference is more than noise

Flags and variables that omni-router has too mean the same here (omni-router --help). Only the model
of the router is called, and no token is needed. Plots need matplotlib:
pip install -e ".[eval]" in a checkout.

exit status: 0 evaluated, 1 less accurate than --min-accuracy, 2 something to correct first
"""


def eval_parser() -> Parser:
    """Make the parser of the flags after `eval`."""
    parser = Parser(
        "omni-router eval",
        usage="omni-router eval DATA.jsonl [FLAG ...]",
        description="Measure how often a router picks the right route, on labelled requests.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(act="omni_router.evaluation.command:evaluate_routers")
    parser.add_argument("data", type=_path, metavar="DATA.jsonl", help="the requests and their routes")
    _add_routing(parser)
    _add_report(parser)
    return parser


def _add_routing(parser: Parser) -> None:
    """Add the flags that the command itself has under the same names."""
    routing = parser.add_argument_group("routing")
    routing.add_argument(
        "--router", type=_routers, default=(), metavar="A,B,...",
        help=f"the router, or several to compare: {', '.join(get_args(RouterName))} (OMNI_ROUTER, else auto)",
    )  # fmt: skip
    routing.add_argument(
        "--router-model",
        type=_not_empty,
        metavar="ID|PATH",
        help="the checkpoint of the router, or the encoder of semantic; with several routers, not for semantic",
    )
    routing.add_argument("--router-url", type=_not_empty, metavar="URL",
                         help="an OpenAI-compatible server, for endpoint or cascade")  # fmt: skip
    routing.add_argument("--route-config", "--policy", type=_path, metavar="PATH",
                         help="the routes (./route_config.json)")  # fmt: skip
    routing.add_argument("--history", type=_not_empty, metavar="WHERE",
                         help="where the examples learned from feedback are: file (beside the routes), or "
                              "postgresql://USER@HOST/DATABASE")  # fmt: skip
    routing.add_argument("--hf-token", type=_not_empty, metavar="T",
                         help="Hugging Face token, for a checkpoint that needs one")  # fmt: skip
    routing.add_argument("--sandbox", action="store_true", help="take the routes and the history of the sandbox")
    routing.add_argument("--debug-router", action="store_true", help="show the raw reply of the router to each request")


def _add_report(parser: Parser) -> None:
    report = parser.add_argument_group("report")
    report.add_argument("--output-dir", type=_path, metavar="DIR", help="the folder for the report (./outputs/eval)")
    report.add_argument("--json", action="store_true", help="print one JSON object on stdout, and nothing else")
    report.add_argument("--min-accuracy", type=_share, metavar="X",
                        help="exit with status 1 when a router is less accurate than this, 0 to 1")  # fmt: skip
    report.add_argument("--limit", type=_count, metavar="N", help="use only N requests, evenly spread over the file")
    report.add_argument("--compare", type=_path, metavar="OLD.json",
                        help="compare with the report.json of another run on the same data")  # fmt: skip


def _not_empty(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _path(text: str) -> Path:
    return Path(_not_empty(text))


def _routers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in get_args(RouterName):
            raise argparse.ArgumentTypeError(
                f"there is no router {name!r}; choose from {', '.join(get_args(RouterName))}"
            )
    return names


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
