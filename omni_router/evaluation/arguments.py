"""The flags of `omni-router eval`."""

import argparse
from pathlib import Path
from typing import get_args

from omni_router.config.environment import RouterName

EXAMPLES = """\
DATA.jsonl has one request a line, with the route it should take:
  {"text": "Plot twist ideas?", "route": "creative_writing"}
  {"text": "What flower is this?", "image": true, "route": "image_understanding"}
  {"text": "asdf qwer", "route": "other"}
  {"messages": [{"role": "user", "content": "Sort a list in Go"},
                {"role": "assistant", "content": "..."},
                {"role": "user", "content": "and backwards?"}], "route": "code_generation"}
The request is the newest message; "image" (true or an address) attaches a picture to it; "other" is for what no
route fits. A hundred lines give the accuracy to within 8 points, four hundred to within 4.

examples:
  omni-router eval mine.jsonl
        how good the usual router is; report and plots go to ./outputs/eval
  omni-router eval mine.jsonl --router semantic,arch
        two routers side by side
  omni-router eval mine.jsonl --router semantic --json --min-accuracy 0.8 | jq .accuracy
        for a script or CI: exit status 1 when it is below 0.8
  omni-router eval mine.jsonl --policy new.json --output-dir new --compare outputs/eval/report.json
        what another policy changes, and whether that is more than noise

No model but the router's is called, and no token is needed. Plots: pip install -e ".[eval]" in a checkout.

exit status: 0 evaluated, 1 less accurate than --min-accuracy, 2 something to correct first
"""


def eval_parser() -> argparse.ArgumentParser:
    """Make the parser of the flags after `eval`."""
    parser = argparse.ArgumentParser(
        prog="omni-router eval",
        description="Measure how often a router takes the right route, on requests whose route you know.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act="omni_router.evaluation.command:evaluate_routers", debug_router=False)
    parser.add_argument("data", type=_path, metavar="DATA.jsonl", help="the requests and their routes")
    parser.add_argument(
        "--router", type=_routers, default=(), metavar="A,B,...",
        help=f"the router, or several to compare: {', '.join(get_args(RouterName))} (OMNI_ROUTER, else auto)",
    )  # fmt: skip
    parser.add_argument(
        "--policy", "--route-config", type=_path, metavar="PATH", help="the routes (./route_config.json)"
    )
    parser.add_argument("--router-model", metavar="ID|PATH",
                        help="the checkpoint of the router, or the encoder of semantic; of several routers, not that "
                             "of semantic")  # fmt: skip
    parser.add_argument("--output-dir", type=_path, metavar="DIR", help="where the report goes (./outputs/eval)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
    parser.add_argument("--min-accuracy", type=_share, metavar="X",
                        help="exit status 1 when a router is less accurate, 0 to 1")  # fmt: skip
    parser.add_argument("--limit", type=_count, metavar="N", help="evaluate N requests, evenly spread over the file")
    parser.add_argument("--compare", type=_path, metavar="OLD.json",
                        help="the report.json of another run on the same data: tell what changed")  # fmt: skip
    return parser


def _path(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return Path(text)


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
