"""`omni-router completion SHELL`: a script that has the shell complete flags, choices, files, and names of routes."""

import argparse
import re
import sys
from typing import Any

from omni_router.arguments import SUBCOMMANDS, add_flags, subcommand
from omni_router.parser import Parser
from omni_router.routers import OTHER
from omni_router.tasks import TASKS

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")  # those of shtab, which is imported when a script is made

# What a flag takes, by the words of its metavar. Names are asked for when they are needed: the policy changes.
FILES = ("PATH", "FILE", "LOG")
NAMES = "omni-router completion names 2>/dev/null"
ROUTES = "omni-router completion routes 2>/dev/null"
VERDICTS = "omni-router completion verdicts 2>/dev/null"

BEFORE = {"names": tuple(TASKS), "routes": (), "verdicts": ("good", "bad", OTHER)}  # what else may stand there

EXAMPLES = """\
examples:
  source <(omni-router completion bash)
        in ~/.bashrc
  omni-router completion zsh > ~/.zfunc/_omni-router
        in a folder of $fpath
  omni-router completion fish > ~/.config/fish/completions/omni-router.fish
  omni-router completion names
        tasks and routes, one per line, as the scripts ask for them; also routes, and verdicts (the
        values of --feedback)
"""


def completion_parser() -> Parser:
    """Make the parser of what follows `completion`."""
    parser = Parser(
        "omni-router completion",
        usage="omni-router completion SHELL",
        description="Print a script with which a shell completes this command.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(act="omni_router.completion:print_completion")
    parser.add_argument("what", choices=(*SHELLS, *BEFORE), metavar="SHELL", help=", ".join(SHELLS))
    return parser


def print_completion(args: argparse.Namespace) -> int:
    """Print what a shell reads once, or asks for while somebody types."""
    told = script(args.what) if args.what in SHELLS else "\n".join(_names(args.what))
    sys.stdout.write(f"{told}\n")
    return 0


def script(shell: str) -> str:
    """Make the script of a shell."""
    import shtab

    return str(shtab.complete(whole_parser(), shell))


def whole_parser() -> argparse.ArgumentParser:
    """Make one parser of the command and its subcommands, whose arguments say how they are completed."""
    parser = argparse.ArgumentParser(prog="omni-router")
    add_flags(parser)
    parsers, below = [parser], parser.add_subparsers()
    for name in SUBCOMMANDS:
        found = subcommand(name)
        parsers.append(below.add_parser(name, help=found.description, parents=[found], add_help=False))
    for action in (action for each in parsers for action in each._actions):  # noqa: SLF001 (as shtab does)
        if completed := _completed(action):
            action.complete = completed  # type: ignore[attr-defined]  # what shtab looks for
    return parser


def _completed(action: argparse.Action) -> Any:
    """Say in shtab's terms what comes after a flag; None: its choices, or nothing that could be known."""
    import shtab

    metavar = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
    words = re.split(r"[ |]", metavar)
    if "DIR" in words:
        return shtab.DIRECTORY
    if any(word in FILES or word.endswith((".json", ".jsonl")) for word in words):
        return shtab.FILE
    if "good" in words:
        return shtab.cmd(VERDICTS)
    if words == ["ROUTE"]:
        return shtab.cmd(ROUTES)
    return shtab.cmd(NAMES) if "ROUTE" in words else None


def _names(what: str) -> list[str]:
    """Give routes, after the tasks or the other verdicts; but for names with spaces, where a shell would split them."""
    from omni_router.config.environment import Environment
    from omni_router.config.route_file import RouteFile

    routes = [route.name for route in RouteFile(Environment.read().route_config).routes()]
    return [name for name in (*BEFORE[what], *routes) if len(name.split()) == 1]
