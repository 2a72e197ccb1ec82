"""What goes wrong at an address ends as it does at a provider of the Hub."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import FAULTS, Sandbox, sandbox
from tests.own_models.conftest import Declare
from tests.support.calls import ask
from tests.support.model_server import SMALL, ModelServer
from tests.support.scripted_router import ScriptedRouter
from tests.support.silent_model import SilentModel

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID, HUB = "local/llama3.2-3b", "sandbox/text-generation-1"
# Those of an answer to a chat; what an exception of the transport stands for is tested with silent and absent servers.
OF_CHATS = [
    name
    for name, fault in FAULTS.items()
    if fault.where == "specialist" and fault.raises is None and fault.shape != "not_an_image"
]
CASES = [(name, stream) for name in OF_CHATS for stream in (False, True) if stream or not name.startswith("stream_")]


@pytest.fixture(autouse=True)
def hub(router: ScriptedRouter) -> Iterator[Sandbox]:
    router.choose("code_generation")
    with sandbox() as running:
        yield running


def attempt(services: Services, model: str, *, stream: bool, timeout: float = 120.0) -> dict[str, Any]:
    graph: Any = build_graph(services).compile()
    settings = Settings(model=model, timeout=timeout)
    if stream:
        *_, (_, result) = graph.stream(ask("Hello"), context=settings, stream_mode=["messages", "values"])
    else:
        result = graph.invoke(ask("Hello"), context=settings)
    return dict(result["attempts"][0])


@pytest.mark.parametrize(("fault", "stream"), CASES)
def test_a_fault_has_the_kind_that_it_has_at_the_hub(
    declare: Declare, server: ModelServer, hub: Sandbox, fault: str, *, stream: bool
) -> None:
    services = declare(models=[SMALL])
    hub.fail(fault, times=3)
    server.box.fail(fault, times=3)
    at_hub, here = (attempt(services, model, stream=stream) for model in (HUB, ID))
    assert (here["outcome"], here["partial"]) == (at_hub["outcome"], at_hub["partial"])
    assert here["outcome"] != "answered"
    assert here["error"]["retry_after"] == at_hub["error"]["retry_after"]


@pytest.mark.parametrize(("silence", "partial"), [("before the answer", False), ("within the answer", True)])
def test_a_server_that_falls_silent_times_out(declare: Declare, silence: Any, *, partial: bool) -> None:
    model = SilentModel()
    model.silent = silence
    thread = threading.Thread(target=model.serve_forever)
    thread.start()
    try:
        services = declare(models=[SMALL], address=f"{model.url}/v1")
        ended = attempt(services, ID, stream=True, timeout=0.5)
    finally:
        model.shutdown()
        model.server_close()
        thread.join()
    assert (ended["outcome"], ended["partial"]) == ("timeout", partial)
    assert f"local at {model.url}/v1: ReadTimeout" in ended["error"]["message"]
