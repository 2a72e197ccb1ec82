"""`omni-router completion SHELL`: the script that adds completion of this command to a shell, as click generates it."""

import click

from omni_router.cli.parser import PROGRAM, Command, load

SHELLS = ("bash", "zsh", "fish")  # the shells that click supports
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
