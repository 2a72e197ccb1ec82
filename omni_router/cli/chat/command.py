"""`omni-router chat`: the command."""

from contextlib import closing
from typing import Any

import click

from omni_router.cli import options
from omni_router.cli.chat.loop import describe_start, run
from omni_router.cli.chat.protocol import Backend
from omni_router.cli.chat.saved import SavedChat
from omni_router.cli.chat.turns import Chat
from omni_router.cli.chat.view import ChatView
from omni_router.cli.completion import complete_files
from omni_router.cli.options import option
from omni_router.cli.parser import Command, read_environment
from omni_router.cli.remote.server_flag import client_of
from omni_router.cli.validators import text
from omni_router.messages import user_content

CHAT = "the chat"
CHOSEN = ("route", "model")  # the flags that /route and /model change

EXAMPLES = """\
examples:
  omni-router chat --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router chat
        the same with real ones
  omni-router chat --session trip
        keep the conversation, and go on with it tomorrow (--continue: the newest one)
  omni-router chat --server http://127.0.0.1:8080
        let a running omni-router serve answer: nothing is loaded here
  printf 'Hello!\\n/why\\n' | omni-router chat --sandbox
        a script: one message or command per line

Above each answer stands its badge: route, model, provider, price, and why. /help lists the
commands of a chat: /route and /model choose, /why explains, /good and /bad rate, /another asks
the next best model.

Ctrl-C stops an answer; at an empty prompt it leaves, as Ctrl-D does.

exit status: 0 left, 1 a message of a pipe had no answer, 2 something to correct first, 130 left
by Ctrl-C
"""


@click.command("chat", cls=Command, help="Chat on the terminal, with the reason for each choice.", epilog=EXAMPLES)
@options.all_of(
    option("--session", type=text, section=CHAT, metavar="NAME|FILE", shell_complete=complete_files,
           help="keep the conversation under a name in the user's data folder, or in a .json file; go on if it exists"),
    option("--continue", "goes_on", is_flag=True, section=CHAT, help="go on with the chat that was kept last"),
    option("--image", "--image-url", "image", type=text, section=CHAT, metavar="URL|PATH",
           shell_complete=complete_files, help="an image to send with the first message"),
    options.server,
    options.router,
    options.router_model,
    options.router_url,
    options.route_config,
    options.history,
    options.route,
    options.model,
    options.fallback_route,
    *options.CHOICE,
    options.skip_specialists,
    options.debug_router,
    options.hf_token,
    options.sandbox,
    options.max_new_tokens,
    *options.SAMPLING,
    options.reasoning_effort,
    options.bill_to,
    options.decision_log,
    options.log_text,
    options.output_dir,
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, *, session: str | None, image: str | None, **flags: Any) -> int:
    """Chat until the end of the input.

    Raises:
        OmniRouterError: something must be corrected first.
    """
    if session is not None and flags["goes_on"]:
        raise click.UsageError("--session and --continue exclude each other", ctx)
    if image is not None:
        user_content("", image)  # an error now, not behind the first message
    saved: SavedChat | None = None
    if session is not None:
        saved = SavedChat.named(session)
    elif flags["goes_on"]:
        saved = SavedChat.newest()
    backend = _open_backend(ctx, flags["hf_token"])
    with closing(backend):
        chat = Chat(backend, ChatView(debug=flags["debug_router"]), saved, image)
        for name in CHOSEN:
            if flags[name] is not None:
                chat.choices[name] = flags[name]
        describe_start(chat)
        return run(chat)


def _open_backend(ctx: click.Context, token: str | None) -> Backend:
    """Return the server that the flags name, or the graph of this process."""
    if client := client_of(ctx, "chat", is_served=True):
        from omni_router.cli.chat.on_server import OnServer
        from omni_router.cli.remote.actions import open_answers

        server = OnServer(open_answers(ctx, client, leave_out=CHOSEN))
        server.routes()  # a wrong address or key is reported before the first message
        return server
    from omni_router.cli.chat.in_process import InProcess
    from omni_router.cli.prompt import prepare_run, read_settings

    environment = read_environment(ctx)
    settings = prepare_run(environment, read_settings(ctx), token)
    return InProcess(environment, settings.model_copy(update=dict.fromkeys(CHOSEN)), token)
