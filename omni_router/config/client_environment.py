"""The variables of a command line that asks a server instead of running the graph itself."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from omni_router.config.parsing import api_key, optional, read_all, variable

ALLOWED = "the address of a server without a user name in it, such as http://127.0.0.1:8080"


def server_address(text: str) -> str:
    """Return the address of a server of ours, also from the base URL that OpenAI's clients take, which ends in /v1."""
    address = text.strip().rstrip("/").removesuffix("/v1")
    try:
        parts = urlsplit(address)
        has_port = parts.port != 0
    except ValueError:
        raise ValueError(ALLOWED) from None
    plain = has_port and "@" not in parts.netloc and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or not address.isascii():
        raise ValueError(ALLOWED)
    if not address.isprintable() or " " in address:
        raise ValueError(ALLOWED)
    return address


@dataclass(frozen=True)
class ClientEnvironment:
    """Where a server is."""

    server: str | None = variable(
        optional(server_address),
        None,
        "the server that answers in place of this process, as --server says; OMNI_API_KEY is sent to it",
    )

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "ClientEnvironment":
        """Read the variables.

        Raises:
            ConfigurationError: a value is not allowed.
        """
        return read_all(cls, variables, {})


def server_key(variables: Mapping[str, str] = os.environ) -> str | None:
    """Return the key for the server, OMNI_API_KEY, which the server reads by the same name.

    Raises:
        ValueError: it cannot be sent in a header; the text says what is allowed.
    """
    text = variables.get("OMNI_API_KEY", "")
    if not text:
        return None
    return api_key(text)
