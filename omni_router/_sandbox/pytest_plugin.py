"""The fixture `sandbox`, for tests of agents that embed the graph."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# pytest imports this file in each run of every project in whose environment it is installed: import nothing more.
if TYPE_CHECKING:
    from omni_router._sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator["Sandbox"]:
    """Answer the Hugging Face client from a sandbox during the test."""
    from omni_router._sandbox import sandbox as sandboxed

    with sandboxed() as box:
        yield box
