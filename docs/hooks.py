# ruff: noqa: INP001 (loaded by mkdocs by its path)
"""What the site takes from the code and its folders at each build, so that it cannot go stale.

A page asks for one with a line such as `<!-- from the code: settings -->`; the names are those of `PARTS`, and
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
_ASKED = re.compile(r"^<!-- from the code: (.+) -->$", re.MULTILINE)
_OUTWARD = re.compile(r"(?<!!)\[([^\]\n]+)\]\((\.\./[^)\s#]+)(?:#[^)\s]*)?\)")
_UNTESTED = re.compile(r"^```python notest$", re.MULTILINE)  # for the tests alone: the site knows no such language


def on_config(config: Any) -> Any:
    """Put every decision into the navigation, in order."""
    decisions = sorted(f"decisions/{path.name}" for path in (DOCS / "decisions").glob("*.md"))
    for part in config["nav"]:
        for entry in next(iter(part.values())):
            if isinstance(entry, dict) and entry.get("Decisions") == "decisions":
                entry["Decisions"] = decisions
    return config


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Put in what a page asks for; a link that leads out of the site, as to the README, becomes its words."""
    if page:
        place = DOCS / page.file.src_uri
        markdown = _OUTWARD.sub(lambda link: link[0] if _inside(place, link[2]) else link[1], markdown)
    return _ASKED.sub(lambda asked: _part(asked[1]), _UNTESTED.sub("```python", markdown))


def on_post_page(output: str, **_: Any) -> str:
    """Let no page be built whose reader's browser would ask another host for a script, a style, a font or a picture."""
    for tag in re.findall(r"<(?:script|link|img|iframe|source|video)\b[^>]*>", output):
        if "canonical" not in tag and (found := re.search(r"""(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""", tag)):
            raise ValueError(f"a page loads {found[1]} from another host")
    return output


def _inside(page: Path, link: str) -> bool:
    return (page.parent / link).resolve().is_relative_to(DOCS)


def _part(name: str) -> str:
    return _fields(name.removeprefix("fields of ")) if name.startswith("fields of ") else PARTS[name]()


def _fields(place: str) -> str:
    """Show a class of plain fields as it is written, since the comments beside them say what they hold."""
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
            f"| `{name}` | {message} | {hint_for(name)} | {'yes' if kind.ends_turn else ''} | "
            f"{'yes' if kind.counts else ''} | {kind.cooldown or ''} |"
        )
    return "\n".join(rows)


def _tree() -> str:
    """Take the drawing out of the docstring of errors.py."""
    from omni_router import errors

    lines = (errors.__doc__ or "").splitlines()
    return _block("\n".join(line[4:] for line in lines if line.startswith("    ")))


def _errors() -> str:
    """Ask mkdocstrings for each class of the tree."""
    return "\n\n".join(
        f"::: omni_router.errors.{kind.__name__}\n    options: {{heading_level: 3}}" for kind in _below(OmniRouterError)
    )


def _below(kind: type[OmniRouterError]) -> list[type[OmniRouterError]]:
    here = [kind] if kind.__module__ == OmniRouterError.__module__ else []
    return here + [found for below in kind.__subclasses__() for found in _below(below)]


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
