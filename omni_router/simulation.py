"""Whether models are simulated: the one hook by which a stand-in for the Hub and its providers is reached.

`omni_router._sandbox` installs itself here. Nothing else needs its name: code that has to differ asks `is_simulated`,
and the Hub client takes a token, a name look-up and a transport from `active_simulation`.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import httpx


class Simulation(Protocol):
    """The part of a stand-in that the rest of the package uses."""

    token: str  # used where a real one is missing; it grants access to nothing
    chunk_delay: float  # seconds between two pieces of a streamed answer

    @property
    def transport(self) -> "httpx.BaseTransport":
        """The transport that answers in place of the network."""
        ...

    def __hash__(self) -> int:
        """Return a hash: the Hub's answers are cached for each stand-in separately."""
        ...

    def resolve(self, host: str) -> list[str]:
        """Return the addresses of a name."""
        ...


INSTALLED: list[Simulation] = []  # the last one answers; only a stand-in changes this list


def active_simulation() -> Simulation | None:
    """Return the stand-in that answers now, if any."""
    try:
        return INSTALLED[-1]
    except IndexError:  # one step: another thread may uninstall between a test for emptiness and the look-up
        return None


def is_simulated() -> bool:
    """Return whether a stand-in answers in place of the Hub and its providers."""
    return active_simulation() is not None
