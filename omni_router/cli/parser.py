"""Options, commands and the group, as click has them, with help in sections and subcommands that load when used."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, Literal

import click

from omni_router.cli.help import describe_variables
from omni_router.config.environment import Environment
from omni_router.config.parsing import Variable

PROGRAM = "omni-router"
WIDTH = 100  # characters of a line of help; longer ones are hard to read

Target = Literal["environment", "settings"]


def flag_of(name: str) -> str:
    """Return the flag of a parameter."""
    return f"--{name}".replace("_", "-")


class Option(click.Option):
    """An option of a section of --help, which may set a field of `Environment` or of `Settings`."""

    def __init__(self, *names: Any, section: str = "options", sets: Target | None = None, **more: Any) -> None:
        super().__init__(*names, **more)
        self.section, self.sets = section, sets

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Refuse a flag of this command as a value: the real value was forgotten."""
        flags = set(chain.from_iterable(param.opts for param in ctx.command.params))
        words: tuple[Any, ...] = (value,)
        if isinstance(value, tuple):
            words = value
        for word in words:
            if isinstance(word, str) and word in flags:
                raise click.BadOptionUsage(self.opts[0], f"Option {self.opts[0]!r} requires an argument.", ctx)
        return super().type_cast_value(ctx, value)


def is_set(value: object) -> bool:
    """Return whether the command line has this option; 0 is a value like any other, although it equals False."""
    return value is not None and value is not False


def values_for(ctx: click.Context, target: Target) -> dict[str, Any]:
    """Return the values on the command line for fields of `target`, by field."""
    values: dict[str, Any] = {}
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if isinstance(param, Option) and param.name and param.sets == target and is_set(value):
            values[param.name] = value
    return values


def read_environment(ctx: click.Context, **more: Any) -> Environment:
    """Return the environment, in which the options of a command win.

    Raises:
        ConfigurationError: a value is not one of those allowed.
    """
    return Environment.read(**{**values_for(ctx, "environment"), **more})


class Command(click.Command):
    """A command whose help lists its options in sections, and keeps the lines of its epilog."""

    def __init__(self, name: str | None, *, variables: Sequence[Variable] = (), **more: Any) -> None:
        self._variables = variables
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH + 2}
        super().__init__(name, **{"options_metavar": "[FLAG ...]", "context_settings": settings, **more})

    def make_context(self, info_name: str | None, args: list[str], *parent: Any, **more: Any) -> click.Context:
        """Parse the arguments; --help shows the help even where something else is wrong."""
        asks_for_help = not {"-h", "--help"}.isdisjoint(args)
        try:
            return super().make_context(info_name, args, *parent, **more)
        except click.UsageError as error:
            if not asks_for_help or error.ctx is None:
                raise
            click.echo(error.ctx.get_help())
            raise click.exceptions.Exit from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their sections, in the order in which they were added."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                sections.setdefault(getattr(param, "section", "options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog as it is, then the variables of this command."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}")
        if self._variables:
            with formatter.section("environment (in addition to that of omni-router --help; a flag wins)"):
                formatter.write_dl(describe_variables(*self._variables))


class LazyGroup(Command, click.Group):
    """Options that say what to do, beside subcommands, which are imported when one is used.

    Args:
        subcommands: the place of each subcommand, as module:object.
        check: raises a UsageError where words and options do not go together.
    """

    def __init__(
        self, name: str | None, *, subcommands: Mapping[str, str], check: Callable[[click.Context], None], **more: Any
    ) -> None:
        super().__init__(name, **more)
        self._places, self._check = subcommands, check

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(self._places)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import a subcommand."""
        if name not in self._places:
            return None
        command: click.Command = load(self._places[name])
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of a subcommand only behind its name; without one, words are left in `ctx.args`."""
        word = next(iter(args), "")
        if word in self._places:
            ctx.allow_interspersed_args = False
            return super().parse_args(ctx, args)
        if word and not word.startswith("-") and not ctx.resilient_parsing:
            raise self.no_such_command(ctx, word)
        ctx.allow_interspersed_args = True
        words = click.Command.parse_args(self, ctx, args)
        if not ctx.resilient_parsing:
            self._check(ctx)
        return words

    def no_such_command(self, ctx: click.Context, word: str) -> click.UsageError:
        """Return the error for a word that is not a command, with what was probably meant."""
        flags = chain.from_iterable(param.opts for param in self.params)
        if f"--{word}" in flags:
            return click.UsageError(f"No such command {word!r}. Did you mean '--{word}'?", ctx)
        error = click.NoSuchCommand(word, possibilities=self._places, ctx=ctx)
        if error.possibilities:
            return error
        known = f"A prompt goes after --prompt, and the commands are {', '.join(self._places)}."
        return click.UsageError(f"{error.message} {known}", ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the subcommands."""
        Command.format_options(self, ctx, formatter)
        rows: list[tuple[str, str]] = []
        for name in self._places:
            command = self.get_command(ctx, name)
            if command:
                rows.append((name, command.help or ""))
        with formatter.section(f"commands ({PROGRAM} NAME --help lists their flags)"):
            formatter.write_dl(rows)


def load(place: str) -> Any:
    """Import what stands at module:name."""
    module, name = place.split(":")
    return getattr(import_module(module), name)
