"""How an environment variable is declared, parsed and read; `environment.py` declares them all."""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from typing import Any, NamedTuple, TypeVar

from omni_router.errors import ConfigurationError

TRUE = ("1", "true", "yes", "on")
FALSE = ("", "0", "false", "no", "off")

Parse = Callable[[str], Any]  # raises ValueError, whose text says what is allowed
Owner = TypeVar("Owner")  # a dataclass whose fields are variables
Number = TypeVar("Number", int, float)


class Variable(NamedTuple):
    """One environment variable."""

    name: str
    field: str  # the field of the dataclass that holds its value
    default: Any
    parse: Parse
    help: str
    shown_default: str  # the default as --help shows it; "" if there is nothing to show
    secret: bool  # its value is never shown
    aliases: tuple[str, ...]  # older names


def number(kind: Callable[[str], Number], fits: Callable[[Number], bool], allowed: str) -> Parse:
    """Return a parser of numbers that `fits` accepts."""

    def parse(text: str) -> Number:
        try:
            number = kind(text.encode("ascii").decode())  # digits of other scripts are not taken
        except ValueError:
            raise ValueError(allowed) from None
        if not fits(number):
            raise ValueError(allowed)
        return number

    return parse


def choice(allowed: tuple[str, ...]) -> Parse:
    """Return a parser of one of some words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def switch(text: str) -> bool:
    """Return whether a word means on."""
    word = text.strip().casefold()
    if word not in TRUE + FALSE:
        raise ValueError(f"one of {', '.join(filter(None, TRUE + FALSE))}")
    return word in TRUE


def optional_text(text: str) -> str | None:
    """Return the text without blanks around it; None when nothing is left."""
    return text.strip() or None


def optional(parse: Parse) -> Parse:
    """Return a parser that also takes blanks, as None."""

    def parse_or_none(text: str) -> Any:
        if not text.strip():
            return None
        return parse(text)

    return parse_or_none


def api_key(text: str) -> str:
    """Check a key that clients send in a header."""
    key = text.strip()
    if not key:
        raise ValueError("a key that is not blank; leave it unset to require no key")
    if not (key.isascii() and key.isprintable()):
        raise ValueError("a key of printable ASCII characters, which clients can send in a header")
    return key


def names(text: str) -> frozenset[str]:
    """Split names at commas."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


count = number(int, lambda count: count >= 1, "a whole number of at least 1")
share = number(float, lambda share: 0 <= share <= 1, "a number from 0 to 1")
seconds = number(float, lambda seconds: 0 < seconds < math.inf, "a number of seconds greater than 0")
latency = number(float, lambda seconds: 0 <= seconds < math.inf, "a number of seconds such as 0.5")


def variable(  # noqa: PLR0913 (all by name, but for the three that every variable has)
    parse: Parse,
    default: Any,
    help: str,  # noqa: A002
    *,
    shown_default: str | None = None,
    secret: bool = False,
    aliases: tuple[str, ...] = (),
) -> Any:
    """Declare a variable as a field of a dataclass.

    Args:
        parse: turns the text into the value, or raises ValueError with what is allowed.
        default: what holds where the variable is unset or empty; a function is called for it.
        help: what `--help` says of it.
        shown_default: what `--help` says of the default, where that is not the default itself.
        secret: keeps the value out of messages and of `repr`.
        aliases: older names, read as well.
    """
    if shown_default is None and isinstance(default, (int, float, str)) and not isinstance(default, bool):
        shown_default = str(default)
    described = {
        "parse": parse,
        "help": help,
        "shown_default": shown_default or "",
        "secret": secret,
        "aliases": aliases,
    }
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=described)
    return field(default=default, repr=not secret, metadata=described)


def declared(owner: type) -> list[Variable]:
    """Return the variables that are fields of a dataclass."""
    return [_variable_of(each) for each in fields(owner)]


def _variable_of(declaration: Any) -> Variable:
    default = declaration.default
    if default is MISSING:
        default = declaration.default_factory()
    return Variable(f"OMNI_{declaration.name.upper()}", declaration.name, default=default, **declaration.metadata)


def read_all(owner: type[Owner], variables: Mapping[str, str], flags: Mapping[str, Any]) -> Owner:
    """Build the dataclass from the variables that are its fields; a flag wins over its variable unless it is None.

    Raises:
        ConfigurationError: a value is not allowed.
        TypeError: a flag is not the name of a field.
    """
    by_field = {variable.field: variable for variable in declared(owner)}
    if unknown := flags.keys() - by_field.keys():
        raise TypeError(f"no variable has the field {', '.join(sorted(unknown))}; the fields are {', '.join(by_field)}")
    values: dict[str, Any] = {}
    for name, variable in by_field.items():
        value = flags.get(name)
        if value is None:
            value = _text(variable, variables)
        if value is not None:
            values[name] = _parse(variable, value)
    return owner(**values)


def read_one(variable: Variable, variables: Mapping[str, str]) -> Any:
    """Return the value of one variable, or its default.

    Raises:
        ConfigurationError: the value is not allowed.
    """
    text = _text(variable, variables)
    if text is None:
        return variable.default
    return _parse(variable, text)


def _text(variable: Variable, variables: Mapping[str, str]) -> str | None:
    """Return what is set, under all its names, joined by commas; None where nothing is."""
    texts = [variables.get(name) for name in (variable.name, *variable.aliases)]
    return ",".join(filter(None, texts)) or None


def _parse(variable: Variable, value: Any) -> Any:
    if not isinstance(value, str):  # a flag that was parsed already
        return value
    try:
        return variable.parse(value)
    except ValueError as error:
        shown = "" if variable.secret else f", not {without_password(value)!r}"
        raise ConfigurationError(f"{variable.name} must be {error}{shown}") from None


def without_password(value: str) -> str:
    """Return a wrong value for a message, without what stands before the host of an address: it may be a password."""
    scheme, mark, rest = value.partition("://")
    _, at, host = rest.rpartition("@")
    if not mark or not at:
        return value
    return f"{scheme}://...@{host}"
