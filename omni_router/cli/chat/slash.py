"""The commands of a chat, which begin with a slash: one function each, and their table."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from glob import glob
from pathlib import Path
from typing import NamedTuple

import click

from omni_router.cli.chat.saved import SUFFIX, SavedChat, as_markdown
from omni_router.cli.chat.turns import Chat
from omni_router.cli.console import print_line, status
from omni_router.cli.list_models import print_models
from omni_router.cli.why import print_decision
from omni_router.errors import ConfigurationError, InvalidRequest, OmniRouterError
from omni_router.images import file_to_data_url
from omni_router.messages import user_content
from omni_router.model_id import split_model_id

AUTO = "auto"  # the router chooses


class SlashCommand(NamedTuple):
    """A command."""

    run: Callable[[Chat, str], None]
    argument: str
    help: str


def _route(chat: Chat, name: str) -> None:
    routes = chat.backend.routes()
    if not name:
        print_line(f"route: {chat.choices.get('route', AUTO)}; there are {AUTO}, {', '.join(routes)}")
        return
    if name.casefold() == AUTO:
        chat.choices.pop("route", None)
        print_line("the router chooses the route again")
        return
    for route in routes:
        if route.casefold() == name.casefold():
            chat.choices["route"] = route
            print_line(f"the next messages take the route {route}")
            return
    raise InvalidRequest(f"there is no route {name!r}{_nearest(name, routes)}; there are {AUTO}, {', '.join(routes)}")


def _model(chat: Chat, name: str) -> None:
    if not name:
        print_line(f"model: {chat.choices.get('model', AUTO)}; /models ranks those of the route")
        return
    if name.casefold() == AUTO:
        chat.choices.pop("model", None)
        print_line("the model is chosen by the route again")
        return
    if split_model_id(name) == (None, None):
        raise InvalidRequest(f"{name!r} is not a model id; allowed are org/name, org/name:provider and {AUTO}")
    chat.choices["model"] = name
    print_line(f"the next messages go to {name}")


def _models(chat: Chat, name: str) -> None:
    route = name or chat.choices.get("route") or (chat.last or {}).get("route")
    if not route:
        raise InvalidRequest("there is no current route yet: /models ROUTE names one")
    status.begin("asking for models and providers")
    chat.backend.wait()
    print_models(chat.backend.models(route), as_json=False)


def _image(chat: Chat, where: str) -> None:
    if not where and chat.image is None:
        raise InvalidRequest("/image takes the path or the address of an image")
    if not where:
        chat.image = None
        print_line("no image goes with your next message")
        return
    if "://" not in where and not where.startswith("data:"):
        where = file_to_data_url(_path(where))  # read now, while its name can be corrected
    user_content("", where)  # an address that is none would fail with each message
    chat.image = where
    print_line("the image goes with your next message")


def _why(chat: Chat, _: str) -> None:
    explanation = chat.backend.explain(_last_decision(chat))
    print_decision(explanation.entry, explanation.doubts)


def _good(chat: Chat, _: str) -> None:
    print_line(chat.backend.rate(_last_decision(chat), "good", chat.question))


def _bad(chat: Chat, route: str) -> None:
    print_line(chat.backend.rate(_last_decision(chat), route or "bad", chat.question))


def _another(chat: Chat, _: str) -> None:
    chat.ask_another()


def _clear(chat: Chat, _: str) -> None:
    chat.messages.clear()
    chat.last, chat.question, chat.image = None, "", None
    if chat.saved:
        chat.saved.save([])
    print_line("the conversation is empty")


def _save(chat: Chat, name: str) -> None:
    if not name:
        raise InvalidRequest(f"/save takes a file: Markdown, or with {SUFFIX} a chat for --session")
    path = _path(name)
    try:
        if os.path.lexists(path):
            raise InvalidRequest(f"{path} exists already; name another file")
        if path.suffix == SUFFIX:
            SavedChat(path).save(chat.messages)
        else:
            path.write_text(as_markdown(chat.messages), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    print_line(f"{len(chat.messages)} messages are saved in {path}")


def _path(name: str) -> Path:
    """Return the path of a file that was typed.

    Raises:
        InvalidRequest: no file can have that name.
    """
    if "\0" in name:
        raise InvalidRequest(f"{name!r} is not the name of a file: it holds a null character")
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # ~NAME
        raise InvalidRequest(f"{name} is not found: there is no such user; ./{name} is a file of that name") from error


def _help(_chat: Chat, _: str) -> None:
    for name, command in COMMANDS.items():
        click.echo(f"  {f'{name} {command.argument}'.strip():<22} {command.help}")
    click.echo("A line that ends with a backslash goes on in the next; // at the start sends a slash.")


def _quit(chat: Chat, _: str) -> None:
    chat.ended = True


COMMANDS: dict[str, SlashCommand] = {
    "/image": SlashCommand(_image, "[PATH|URL]", "send an image with your next message, or alone: none"),
    "/route": SlashCommand(_route, "[NAME|auto]", "use this route, without asking the router"),
    "/model": SlashCommand(_model, "[ID|auto]", "use this model"),
    "/models": SlashCommand(_models, "[ROUTE]", "rank the models of the current route"),
    "/why": SlashCommand(_why, "", "explain the last decision"),
    "/good": SlashCommand(_good, "", "rate the last answer; ratings count when models are ranked"),
    "/bad": SlashCommand(_bad, "[ROUTE]", "rate it bad, or name the route it should have taken"),
    "/another": SlashCommand(_another, "", "have the next best model answer instead"),
    "/clear": SlashCommand(_clear, "", "forget the conversation"),
    "/save": SlashCommand(_save, "FILE", "save it: Markdown, or .json for --session"),
    "/help": SlashCommand(_help, "", "list the commands"),
    "/quit": SlashCommand(_quit, "", "leave, as Ctrl-D does"),
}


def run_command(line: str, chat: Chat) -> None:
    """Run a command.

    Raises:
        OmniRouterError: there is no such command, or it cannot be done.
    """
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(name.casefold())
    if command is None:
        raise InvalidRequest(
            f"there is no command {name}{_nearest(name, COMMANDS)}; /help lists them, and // sends a slash"
        )
    command.run(chat, argument.strip())


def complete(line: str, chat: Chat) -> list[str]:
    """Return what may stand in place of the last word of a line."""
    name, space, word = line.partition(" ")
    if not name.startswith("/"):
        return []
    if not space:
        return [command for command in COMMANDS if command.startswith(name)]
    if name in ("/image", "/save"):
        return sorted(glob(f"{word}*"))  # noqa: PTH207 (words, which may be relative)
    names: list[str] = []
    if name in ("/route", "/models", "/bad"):
        with suppress(OmniRouterError):  # no server answers; the next message says so
            names = [AUTO, *chat.backend.routes()] if name == "/route" else list(chat.backend.routes())
    return [route for route in names if route.startswith(word)]


def _last_decision(chat: Chat) -> str:
    """Return the id of the newest decision.

    Raises:
        InvalidRequest: there is none.
    """
    if chat.last is None or not chat.last["id"]:
        raise InvalidRequest("there is no decision yet: ask something first")
    return str(chat.last["id"])


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the known names, as a question."""
    for near in get_close_matches(name, list(known), n=1):
        return f" (did you mean {near}?)"
    return ""
