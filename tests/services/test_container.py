"""The services of an environment, as they are wired to each other."""

from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage

from omni_router import Services, Settings
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.config.environment import Environment

CHAT = "sandbox/image-text-to-text-2"  # takes 32,768 tokens


@pytest.mark.parametrize("provider", [None, "novita"])
def test_the_client_knows_from_the_catalog_how_much_room_a_model_that_reasons_has(
    sandbox: Sandbox, provider: str | None
) -> None:
    sandbox.set_reasoning(CHAT, Reasoning())
    environment = replace(Environment.read(), sandbox=True, router="semantic")
    inference = Services.from_environment(environment, token=sandbox.token).inference
    for _ in range(2):  # it is known to reason when it has done so
        inference.chat(CHAT, provider, [HumanMessage("How do tides work?")], Settings())
    first, second = [record.parameters.get("max_tokens") for record in sandbox.requests if record.method == "POST"]
    assert first is None
    assert second is not None
    assert 32_000 < second < 32_768
