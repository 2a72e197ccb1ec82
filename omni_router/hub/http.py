"""The HTTP library of huggingface_hub, and the releases of it that this package works with.

Its requests, answers and exceptions are those of `httpx` here. From 2.0 on it uses `httpx2`, which has the same names:
the port to it is the import below, `HUB_MAJOR`, and the bound in pyproject.toml.
"""

from importlib.metadata import version

import httpx

from omni_router.errors import ConfigurationError

__all__ = ["check_hub_version", "httpx"]

HUB_MAJOR = 1


def check_hub_version() -> None:
    """Raise unless the installed huggingface_hub is one that this package works with; it is not imported for that.

    Raises:
        ConfigurationError: it has another major version.
    """
    found = version("huggingface_hub")
    if found.partition(".")[0] != str(HUB_MAJOR):
        raise ConfigurationError(
            f"huggingface_hub {found} is installed, but omni-router needs {HUB_MAJOR}.x: "
            f'pip install "huggingface_hub>={HUB_MAJOR},<{HUB_MAJOR + 1}"'
        )
