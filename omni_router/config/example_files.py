"""Files of examples: one request a line, shipped with the package or written by the owner of a policy."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.storage.files import Signature, signature

SHIPPED = Path(__file__).with_name("examples")
BUILTIN = "builtin:"  # begins the name of a shipped file: builtin:NAME is NAME.txt in SHIPPED
MAX_BYTES = 4 * 2**20  # some 40,000 requests: a router embeds every one of them

Examples = tuple[str, ...]


def parse_examples(text: str) -> Examples:
    r"""Return the examples of a text of one a line; blank lines and lines that begin with `#` are skipped.

    Within a line `\n` is a line break and `\\` a backslash, and a line that begins with `\#` is an example that begins
    with `#`; before anything else a backslash is itself.
    """
    examples: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            examples.append(_unescape(stripped))
    return tuple(examples)


def format_examples(examples: Iterable[str]) -> str:
    """Return the text of one example a line that `parse_examples` reads.

    Raises:
        ValueError: an example is blank, or begins or ends with a blank, which would not be read.
    """
    lines = []
    for example in examples:
        line = example.replace("\\", "\\\\").replace("\n", "\\n")
        if line.startswith("#"):
            line = "\\" + line
        if parse_examples(line) != (example,):
            raise ValueError(f"{example[:60]!r} cannot be a line: remove the blanks at its ends")
        lines.append(line + "\n")
    return "".join(lines)


def _unescape(line: str) -> str:
    if line.startswith("\\#"):
        line = line[1:]
    return "\\".join(part.replace("\\n", "\n") for part in line.split("\\\\"))


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names under which an entry can name the shipped files."""
    return tuple(BUILTIN + path.stem for path in sorted(SHIPPED.glob("*.txt")))


@cache  # they do not change while a process runs
def shipped_examples(name: str) -> Examples:
    """Return the examples of a shipped file.

    Raises:
        ConfigurationError: there is no such file.
    """
    if name not in shipped_names():
        raise ConfigurationError(f"{name!r} is not one of {', '.join(shipped_names())}")
    return _read(SHIPPED / f"{name.removeprefix(BUILTIN)}.txt")


@dataclass(frozen=True)
class NamedExamples:
    """What a file that an entry names holds."""

    examples: Examples = ()
    fault: str = ""  # why the file cannot be used, and what is used instead
    file: tuple[Path, Signature | None] | None = None  # its path and version, where it can change


@dataclass
class ExampleFiles:
    """The files of examples that a policy names; a file that breaks while the process runs keeps its last examples."""

    _known: dict[Path, tuple[Signature | None, Examples]] = field(default_factory=dict)

    def read(self, name: Any, policy: Path | None) -> NamedExamples:
        """Return what is in the file of this name: `builtin:NAME`, or a path relative to the policy.

        Args:
            name: the value of "examples_file" in an entry.
            policy: the path of the policy; a policy without one can name shipped files only.
        """
        try:
            if isinstance(name, str) and name.startswith(BUILTIN):
                return NamedExamples(shipped_examples(name))
            path = _path_of(name, policy)
        except ConfigurationError as error:
            return NamedExamples(fault=_ignored(error))
        return self._read_again(path)

    def _read_again(self, path: Path) -> NamedExamples:
        version = _version(path)
        known = self._known.get(path)
        if known and known[0] == version:
            return NamedExamples(known[1], file=(path, version))
        try:
            examples = _read(path)
        except ConfigurationError as error:
            if known is None:
                return NamedExamples(fault=_ignored(error), file=(path, version))
            return NamedExamples(known[1], f"{error}; still using its last valid examples", (path, version))
        self._known[path] = version, examples
        return NamedExamples(examples, file=(path, version))


def _path_of(name: Any, policy: Path | None) -> Path:
    """Return the path that an entry names, relative to the policy, or to the file that a link leads to.

    Raises:
        ConfigurationError: it is not a path, or the policy has none.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"{name!r} is not a path")
    if policy is None:
        raise ConfigurationError(f"the policy is not a file that {name!r} could be relative to")
    try:
        return policy.resolve().parent / name
    except (OSError, RuntimeError) as error:  # a loop of links
        raise ConfigurationError(f"{policy} cannot be resolved: {error}") from error


def unchanged(files: Iterable[tuple[Path, Signature | None]]) -> bool:
    """Return whether all files still are the versions that were read."""
    return all(_version(path) == version for path, version in files)


def _version(path: Path) -> Signature | None:
    try:
        return signature(path)
    except ValueError:  # a null character
        return None


def _ignored(error: Exception) -> str:
    allowed = f"a path relative to the policy, of a file of one example a line, or one of {', '.join(shipped_names())}"
    return f"it is ignored: {error}; it must be {allowed}"


def _read(path: Path) -> Examples:
    """Read a file of examples.

    Raises:
        ConfigurationError: it cannot be read, or it is too large.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # a pipe could be waited for forever, a device has no end
            raise ConfigurationError(f"{path} is not a file")
        if stat.st_size > MAX_BYTES:
            raise ConfigurationError(f"{path} has {stat.st_size:,} bytes; at most {MAX_BYTES:,} are allowed")
        with path.open("rb") as file:
            return parse_examples(file.read(MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path} is not valid UTF-8 text (line {line})") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
