# ruff: noqa: INP001 (loaded by mkdocs by its path)
"""Parts of the site that are generated from the code at each build, so that they cannot go stale.

A page includes one with a line such as `<!-- from the code: settings -->`; the names are those of `PARTS`, and
`fields of PLACE` for a class of plain fields.
"""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import cleandoc, getsource
from pathlib import Path
from textwrap import dedent
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # this checkout, whatever else is installed

from omni_router.cli.help import SHARED_VARIABLES, describe_variables
from omni_router.cli.parser import PROGRAM, WIDTH
from omni_router.cli.root import COMMANDS, root
from omni_router.config.environment import VARIABLES
from omni_router.config.settings import Settings
from omni_router.errors import KINDS, OmniRouterError, hint_for

DOCS = Path(__file__).resolve().parent
_INCLUDE = re.compile(r"^<!-- from the code: (.+) -->$", re.MULTILINE)
_LINK_UP = re.compile(r"(?<!!)\[([^\]\n]+)\]\((\.\./[^)\s#]+)(?:#[^)\s]*)?\)")
_UNTESTED = re.compile(r"^```python notest$", re.MULTILINE)  # a mark for the tests; the site knows no such language


def on_config(config: Any) -> Any:
    """Put the list of decisions and every decision into the navigation, in order."""
    numbered = sorted(f"decisions/{path.name}" for path in (DOCS / "decisions").glob("[0-9]*.md"))
    decisions = ["decisions/index.md", *numbered]
    for part in config["nav"]:
        for entry in next(iter(part.values())):
            if isinstance(entry, dict) and entry.get("Decisions") == "decisions":
                entry["Decisions"] = decisions
    return config


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Insert the generated parts; replace a link that leaves the site, as to the README, with its text."""
    if page:
        path = DOCS / page.file.src_uri
        markdown = _LINK_UP.sub(lambda link: link[0] if _inside(path, link[2]) else link[1], markdown)
    return _INCLUDE.sub(lambda line: _part(line[1]), _UNTESTED.sub("```python", markdown))


def on_post_page(output: str, **_: Any) -> str:
    """Raise ValueError if a page would load a script, a style, a font or an image from another host."""
    for tag in re.findall(r"<(?:script|link|img|iframe|source|video)\b[^>]*>", output):
        address = re.search(r"""(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""", tag)
        if address and "canonical" not in tag:
            raise ValueError(f"a page loads {address[1]} from another host")
    return output


def _inside(page: Path, link: str) -> bool:
    return (page.parent / link).resolve().is_relative_to(DOCS)


def _part(name: str) -> str:
    return _fields(name.removeprefix("fields of ")) if name.startswith("fields of ") else PARTS[name]()


def _fields(place: str) -> str:
    """Return the source of a class of plain fields, whose comments say what they hold."""
    module, _, name = place.rpartition(".")
    described = getattr(import_module(module), name)
    source = dedent(getsource(described)).replace(f'"""{described.__doc__}"""', "", 1)
    fields = re.sub(r"\n\s*\n", "\n", source.partition("\n    @")[0])  # without its methods
    what = cleandoc(described.__doc__ or "")
    return f"## {name} {{#{place}}}\n\n`from {module} import {name}`\n\n{what}\n\n```python\n{fields.strip()}\n```\n"


def help_text(*subcommand: str) -> str:
    """Return what `omni-router [SUBCOMMAND] --help` prints on a terminal of 100 columns."""
    ctx = root.make_context(PROGRAM, [], resilient_parsing=True, terminal_width=WIDTH)
    for name in subcommand:
        command = root.get_command(ctx, name)
        if command is None:
            raise LookupError(f"there is no command {name!r}; there are {', '.join(COMMANDS)}")
        ctx = command.make_context(name, [], parent=ctx, resilient_parsing=True, terminal_width=WIDTH)
    return ctx.get_help()


def _help() -> str:
    return _block(help_text())


def _subcommands() -> str:
    return "\n".join(f"## omni-router {name}\n\n{_block(help_text(name))}" for name in COMMANDS)


def _environment() -> str:
    rows = ["| variable | what |", "| --- | --- |"]
    for name, what in (*SHARED_VARIABLES, *describe_variables(*VARIABLES)):
        rows.append(f"| `{name}` | {what.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def _settings() -> str:
    rows = ["| field | type | default | allowed | what |", "| --- | --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        limits = ", ".join(limit for rule in field.metadata if (limit := _limit(rule)))
        kind = str(field.annotation).replace("typing.", "")
        kind = field.annotation.__name__ if isinstance(field.annotation, type) and "[" not in kind else kind
        rows.append(f"| `{name}` | `{kind}` | `{field.default!r}` | {limits} | {field.description} |")
    return "\n".join(rows)


def _limit(rule: object) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return next((f"{said} {getattr(rule, key)}" for key, said in words.items() if hasattr(rule, key)), "")


def _kinds() -> str:
    rows = [
        "| kind | message | what to do | ends the turn | counts against the model | the model is left alone |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, kind in KINDS.items():
        message = kind.message.replace("{model}", "*model*")
        rows.append(
            f"| `{name}` | {message} | {hint_for(name)} | {'yes' if kind.terminal else ''} | "
            f"{'yes' if kind.penalizes_model else ''} | {kind.cooldown or ''} |"
        )
    return "\n".join(rows)


def _tree() -> str:
    """Return the drawing in the docstring of errors.py."""
    from omni_router import errors

    lines = (errors.__doc__ or "").splitlines()
    return _block("\n".join(line[4:] for line in lines if line.startswith("    ")))


def _errors() -> str:
    """Return a line for mkdocstrings for each class of the tree."""
    return "\n\n".join(
        f"::: omni_router.errors.{kind.__name__}\n    options: {{heading_level: 3}}" for kind in _below(OmniRouterError)
    )


def _below(kind: type[OmniRouterError]) -> list[type[OmniRouterError]]:
    here = [kind] if kind.__module__ == OmniRouterError.__module__ else []
    return here + [error for below in kind.__subclasses__() for error in _below(below)]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


PARTS: dict[str, Callable[[], str]] = {
    "help": _help,
    "subcommands": _subcommands,
    "environment": _environment,
    "settings": _settings,
    "kinds": _kinds,
    "tree of errors": _tree,
    "errors": _errors,
}
