"""A stand-in for the Hub and its inference providers, which answers the real client without leaving the process.

    with sandbox() as box:                       # or the pytest fixture of that name
        client = InferenceClient(api_key=SANDBOX_TOKEN)
        client.chat_completion(messages, model="sandbox/text-generation-1")

__init__.py   install, uninstall, active and the `with`   server.py     the sandbox: what a test sees and changes
client.py     hooks into huggingface_hub                  faults.py     what can go wrong on request
transport.py  which request is answered by what           calls.py      what a request asks for, and of which model
models.py     the models, who serves them, their traits   hub.py        the Hub's answers about them
chat.py       answers of chat models                      stream.py     bodies that arrive piece by piece
counting.py   tokens of a chat, and whether they fit  offers.py     what each provider lists of a model
boards.py     benchmark boards, and ratings of LMArena  model_file.py a file of models for other processes
tool_calls.py calls of tools, and JSON on request         schema_filler.py  values for a JSON schema
images.py     how providers return images                 drawing.py    the images themselves
reasoning.py  what models think before they answer      more_models.py  those that --sandbox lists as well

It stands above `hub`, whose client it hooks into. Only `services`, the command line's demo and the public names import
it: the rest of the package sees it through `omni_router.simulation`, where it installs itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from omni_router._sandbox.calls import Record
from omni_router._sandbox.faults import FAULTS, Fault
from omni_router._sandbox.models import Reasoning
from omni_router._sandbox.offers import Offer
from omni_router._sandbox.server import SANDBOX_TOKEN, Sandbox
from omni_router.config.environment import read_variable
from omni_router.simulation import active_simulation

__all__ = [
    "FAULTS",
    "SANDBOX_TOKEN",
    "Fault",
    "Offer",
    "Reasoning",
    "Record",
    "Sandbox",
    "active",
    "install",
    "sandbox",
    "uninstall",
]


def active() -> Sandbox | None:
    """Return the sandbox that answers the client now, if any."""
    simulation = active_simulation()
    return simulation if isinstance(simulation, Sandbox) else None


def install(box: Sandbox | None = None) -> Sandbox:
    """Install a sandbox that answers the client in the whole process until `uninstall`, and return it.

    Without `box` it is a new one, whose latency in seconds is OMNI_SANDBOX_LATENCY, with the larger catalog and
    the models of the file OMNI_SANDBOX_MODELS beside its own.

    Raises:
        ConfigurationError: OMNI_SANDBOX_LATENCY is not a number of seconds, OMNI_SANDBOX_MODELS not a file of models,
            or the installed huggingface_hub not one that this package works with.
    """
    from omni_router.hub.http import check_hub_version

    check_hub_version()
    from omni_router._sandbox import client

    box = box or _from_environment()
    client.enter(box)
    return box


def _from_environment() -> Sandbox:
    box = Sandbox(latency=read_variable("OMNI_SANDBOX_LATENCY"))
    box.list_more()
    if path := read_variable("OMNI_SANDBOX_MODELS"):
        from omni_router._sandbox.model_file import add_models

        add_models(box, path)
    return box


def uninstall(box: Sandbox | None = None) -> None:
    """Restore what answered the client before `box` (default: the active one); do nothing if there is none."""
    from omni_router._sandbox import client

    box = box or active()
    if box is not None:
        client.leave(box)


@contextmanager
def sandbox(latency: float = 0.0, chunk_delay: float = 0.0) -> Iterator[Sandbox]:
    """Install a sandbox that answers the client within the block, in every thread of the process.

    Args:
        latency: seconds that each call of a specialist takes.
        chunk_delay: seconds between two pieces of a streamed answer.
    """
    box = install(Sandbox(latency=latency, chunk_delay=chunk_delay))
    try:
        yield box
    finally:
        uninstall(box)
