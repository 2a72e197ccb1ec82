"""Validators of flags; an error names the value and what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from omni_router.config.parsing import without_password

PORTS = {"http": 80, "https": 443}  # the ports that browsers leave out of an origin


def text(value: str) -> str:
    """Refuse an empty text."""
    if not value.strip():
        raise click.BadParameter("must not be empty")
    return value


def parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a validator of what `parse` takes; its ValueError says what is allowed."""

    def convert(value: str) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise click.BadParameter(f"{without_password(value)!r} is not {error}") from None

    return convert


class PathType(click.Path):
    """A path, which shells complete."""

    def __init__(self, *, folder: bool = False) -> None:
        super().__init__(file_okay=not folder, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path."""
        return super().convert(text(str(value)), param, ctx)


class PlotType(PathType):
    """A file to draw into."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path whose suffix is that of a plot."""
        path = super().convert(value, param, ctx)
        if path.suffix.lower() not in (".png", ".svg", ".pdf"):
            self.fail(f"{str(path)!r} must end in .png, .svg or .pdf", param, ctx)
        return path


PATH, FOLDER, PLOT = PathType(), PathType(folder=True), PlotType()


def router_names() -> tuple[str, ...]:
    """Return the names in the table of routers, which is imported only when a name is parsed or shown."""
    from omni_router.services.router import ROUTERS

    return tuple(ROUTERS)


class RouterChoice(click.Choice[str]):
    """A router by its name."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]  # click assigns it once
        """The names that are allowed."""
        return router_names()


class Share(click.FloatRange):
    """A number from 0 to 1."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; NaN is refused, too."""
        share: float = super().convert(value, param, ctx)
        if share != share:  # noqa: PLR0124 (nan is not equal to itself)
            self.fail(f"{value!r} is not a number from 0 to 1.", param, ctx)
        return share


def origin(value: str) -> str:
    """Return an origin as browsers write it: in small letters, without the scheme's usual port."""
    wrong = click.BadParameter(f"{value!r} is not an origin, such as https://chat.example or http://localhost:5173")
    try:
        parts = urlsplit(value.strip().lower())
        port = parts.port
    except ValueError:
        raise wrong from None
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in PORTS or not parts.hostname or not bare:
        raise wrong
    host = parts.hostname
    if ":" in host:
        host = f"[{host}]"
    if port not in (None, PORTS[parts.scheme]):
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}"


def server_url(value: str) -> str:
    """Refuse what is not the address of a server."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{value!r} is not the address of a server, such as http://127.0.0.1:2024")
    return value.rstrip("/")
