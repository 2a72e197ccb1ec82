"""Under which names this server may be reached by a browser's page, which MCP asks for against DNS rebinding."""

import os
from collections.abc import Mapping

from mcp.server.transport_security import TransportSecuritySettings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def transport_security(variables: Mapping[str, str] = os.environ) -> TransportSecuritySettings:
    """Allow the names in OMNI_MCP_HOSTS, separated by commas, beside those of this machine; `*` allows all."""
    given = [name for each in variables.get("OMNI_MCP_HOSTS", "").split(",") if (name := each.strip())]
    if "*" in given:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    names = [*LOOPBACK, *given]
    hosts = [form for name in names for form in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
    )
