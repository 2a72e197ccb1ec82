"""The command itself: flags that name an action, beside subcommands, and the tables of both."""

from typing import Any

import click

from omni_router.cli import options
from omni_router.cli.completion import complete_files, complete_routes
from omni_router.cli.help import EXAMPLES, EXIT_STATUS, SHARED_VARIABLES, describe_variables
from omni_router.cli.options import ACTIONS, CALLING, STDIN, option
from omni_router.cli.parser import PROGRAM, Command, LazyGroup, flag_of, is_set, load
from omni_router.cli.validators import PATH, PLOT, text
from omni_router.config.environment import VARIABLES, read_variable

COMMANDS = {
    "chat": "omni_router.cli.chat.command:command",
    "eval": "omni_router.cli.eval:command",
    "eval-choice": "omni_router.cli.eval_choice:command",
    "completion": "omni_router.cli.completion:command",
    "doctor": "omni_router.cli.doctor:command",
    "new-key": "omni_router.cli.new_key:command",
    "serve": "omni_router.cli.serve:command",
    "ui": "omni_router.cli.ui:command",
}

# The command of an action: a function of the environment and the flags, which returns the exit status.
ACTION_COMMANDS = {
    "prompt": "omni_router.cli.prompt:run",
    "demo": "omni_router.cli.prompt:run",
    "list_routes": "omni_router.cli.list_routes:run",
    "list_models": "omni_router.cli.list_models:run",
    "check": "omni_router.cli.check:run",
    "why": "omni_router.cli.why:run",
    "replay": "omni_router.cli.replay:run",
    "feedback": "omni_router.cli.feedback:run",
    "history_export": "omni_router.cli.history:run_export",
    "history_import": "omni_router.cli.history:run_import",
}

# The same where a server answers: a function of the client of that server and the flags.
SERVER_ACTIONS = {
    "prompt": "omni_router.cli.remote.actions:prompt",
    "demo": "omni_router.cli.remote.actions:prompt",
    "list_routes": "omni_router.cli.remote.actions:list_routes",
    "list_models": "omni_router.cli.remote.actions:list_models",
    "why": "omni_router.cli.remote.actions:why",
    "feedback": "omni_router.cli.remote.actions:feedback",
}


def check(ctx: click.Context) -> None:
    """Raise a UsageError where flags and words do not go together."""
    prompt, image = ctx.params["prompt"], ctx.params["image_url"]
    _check_words(ctx)
    actions = [flag_of(name) for name in ACTION_COMMANDS if is_set(ctx.params[name])]
    if not actions:
        raise click.UsageError(f"one of {', '.join(map(flag_of, ACTION_COMMANDS))} is required", ctx)
    if len(actions) > 1:
        raise click.UsageError(f"{', '.join(actions[:-1])} and {actions[-1]} exclude each other", ctx)
    if image is not None and prompt is None:
        raise click.UsageError("--image-url needs --prompt", ctx)
    if ctx.params["another"] and (prompt is None or ctx.params["model"] is not None):
        raise click.UsageError("--another needs --prompt, and excludes --model", ctx)
    if ctx.params["plot"] is not None and ctx.params["list_models"] is None:
        raise click.UsageError("--plot needs --list-models", ctx)
    if ctx.args and prompt is None:
        raise click.UsageError("- needs --prompt", ctx)
    if [prompt, image, *ctx.args].count(STDIN) > 1:
        raise click.UsageError("stdin can be read only once; use - once", ctx)


def _check_words(ctx: click.Context) -> None:
    """Refuse every word but the -, which stands for stdin."""
    group = ctx.command
    assert isinstance(group, Root)  # noqa: S101 (for the type checker)
    for word in ctx.args:
        if word in COMMANDS:
            raise click.UsageError(f"the command comes first: {PROGRAM} {word}", ctx)
        if word != STDIN and ctx.params["prompt"] is not None:
            raise click.UsageError(f"unexpected {word!r}; put quotes around a prompt of several words", ctx)
        if word != STDIN:
            raise group.no_such_command(ctx, word)


class Root(LazyGroup):
    """The group, whose help ends with examples, variables and exit statuses."""

    def format_usage(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage of the three kinds of commands."""
        formatter.write(f"Usage: {PROGRAM} --prompt TEXT [-] [FLAG ...]\n")
        formatter.write(f"       {PROGRAM} --demo | --list-routes | --check | ... [FLAG ...]\n")
        formatter.write(f"       {PROGRAM} {{{','.join(COMMANDS)}}} ...\n")

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, the table of variables, and exit statuses."""
        formatter.write(f"\n{EXAMPLES}")
        with formatter.section("environment (a flag wins)"):
            formatter.write_dl([*SHARED_VARIABLES, *describe_variables(*VARIABLES)])
        formatter.write(f"\n{EXIT_STATUS}")


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's own form)
    if value and not ctx.resilient_parsing:
        from omni_router._version import __version__

        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


def _action(*names: str, **more: Any) -> Any:
    return option(*names, section=ACTIONS, **more)


@click.command(
    PROGRAM,
    cls=Root,
    subcommands=COMMANDS,
    check=check,
    invoke_without_command=True,
    help="Pick the right Hugging Face model for a prompt, call it, and remember what worked.",
)
@options.all_of(
    click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
                 help="Show the version and exit."),
    _action("--prompt", type=text, metavar="TEXT|-", help="route and answer one prompt; - reads it from stdin"),
    _action("--demo", is_flag=True, help="route and answer eight sample prompts"),
    _action("--list-routes", is_flag=True, help="show the routes, their models and package versions"),
    _action("--list-models", type=text, metavar="TASK|ROUTE", shell_complete=complete_routes,
            help="show the models that providers serve now; for a route in the order of choice, and why"),
    _action("--check", is_flag=True, help="report problems in the policy"),
    _action("--why", is_flag=False, flag_value="", metavar="[ID]",
            help="explain a logged decision: the last one, or the one whose id starts with ID"),
    _action("--replay", type=PATH, metavar="LOG", help="decide a log's requests again, and show what differs"),
    _action("--feedback", type=(text, text), metavar="ID good|bad|ROUTE|other", shell_complete=complete_routes,
            help="rate a logged decision; ratings count when models are ranked"),
    _action("--history-export", type=PATH, metavar="FILE", help="write the history to a file"),
    _action("--history-import", type=PATH, metavar="FILE",
            help="add the history from such a file, or from a route_config.json"),
    options.server,
    options.router,
    options.router_model,
    options.router_url,
    options.route_config,
    options.history,
    options.route,
    options.model,
    options.another,
    options.fallback_route,
    *options.CHOICE,
    options.skip_specialists,
    options.debug_router,
    option("--image-url", type=text, section=CALLING, metavar="URL|PATH|-",
           shell_complete=complete_files, help="an image to send with the prompt; - reads it from stdin"),
    options.hf_token,
    options.sandbox,
    options.max_new_tokens,
    *options.SAMPLING,
    options.reasoning_effort,
    options.bill_to,
    option("--plot", type=PLOT, section=options.OUTPUT, metavar="FILE",
           help="with --list-models ROUTE, draw quality against price, and what is chosen (.png, .svg or .pdf)"),
    options.json_output("print JSON only on stdout: one object per line and prompt, an array for --list-routes"),
    options.decision_log,
    options.log_text,
    options.output_dir,
)  # fmt: skip
@click.pass_context
def root(ctx: click.Context, /, **flags: Any) -> int:
    """Run the action that the flags name, unless there is a subcommand."""
    if ctx.invoked_subcommand is not None:
        return 0
    action = next(name for name in ACTION_COMMANDS if is_set(flags[name]))
    status: int
    if client := _client_of(ctx, action):
        status = load(SERVER_ACTIONS[action])(ctx, client, **flags)
    else:
        status = load(ACTION_COMMANDS[action])(ctx, **flags)
    return status


def _client_of(ctx: click.Context, action: str) -> Any:
    """Return the client of the server that is to answer, which is imported only where one is named."""
    if ctx.params["server"] is None and not read_variable("OMNI_SERVER"):
        return None
    from omni_router.cli.remote.server_flag import client_of

    return client_of(ctx, flag_of(action), is_served=action in SERVER_ACTIONS)


def parse(words: list[str]) -> click.Context:
    """Parse a command line without running it.

    Raises:
        UsageError: it is not one that could be run.
    """
    ctx = root.make_context(PROGRAM, list(words))
    name = next(iter(words), "")
    command: Command | None = root.get_command(ctx, name)  # type: ignore[assignment]  # all of ours
    if command is None:
        return ctx
    return command.make_context(name, list(words[1:]), parent=ctx)
