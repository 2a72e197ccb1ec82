"""The fixture `sandbox`, for whoever tests an agent that embeds the graph."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# pytest imports this file in every run of every project it is installed beside: nothing else may be loaded with it.
if TYPE_CHECKING:
    from omni_router._sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator["Sandbox"]:
    """Answer the Hugging Face client from a sandbox during the test."""
    from omni_router._sandbox import sandbox as sandboxed

    with sandboxed() as box:
        yield box
