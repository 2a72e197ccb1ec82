"""`omni-router completion SHELL`: the script that adds completion to a shell, and what is completed.

Functions named complete_... return what may stand in the place of an incomplete word, and are passed to options.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from omni_router.cli.parser import PROGRAM, Command, load, read_environment

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")  # the shells that click supports
NO_FALLBACK = "none"
VARIABLE = "_OMNI_ROUTER_COMPLETE"  # set by a completion script that asks; click's own name for it

EXAMPLES = """\
examples:
  source <(omni-router completion bash)
        in ~/.bashrc
  omni-router completion zsh > ~/.zfunc/_omni-router
        in a folder of $fpath
  omni-router completion fish > ~/.config/fish/completions/omni-router.fish
"""


@click.command(
    "completion", cls=Command, help="Print the script that adds completion of this command to a shell.", epilog=EXAMPLES
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (for the type checker: click has these three)
    click.echo(kind(load("omni_router.cli.root:root"), {}, PROGRAM, VARIABLE).source())
    return 0


def complete_routes(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the routes of the current policy, after the other words that the option takes."""
    from click.shell_completion import CompletionItem

    from omni_router.config.route_file import RouteFile
    from omni_router.errors import OmniRouterError
    from omni_router.routers import OTHER
    from omni_router.tasks import TASKS

    words = {"list_models": tuple(TASKS), "feedback": ("good", "bad", OTHER), "fallback_route": (NO_FALLBACK,)}
    others = words.get(param.name or "", ())
    try:
        file = RouteFile(read_environment(ctx).route_config)
        routes = [route.name for route in file.routes()]
    except OmniRouterError:
        return []
    names = (*others, *routes)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the item by which a shell completes files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_words(
    words: tuple[str, ...],
) -> "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]":
    """Return a function that completes one of some words."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in words if word.startswith(incomplete)]

    return complete
