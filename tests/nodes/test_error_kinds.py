"""Each way in which a call fails ends in the right kind, whichever form the graph is called in."""

import asyncio
from typing import Any

import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import FAULTS, Sandbox
from omni_router.errors import ErrorKind
from tests.support.calls import FORMS, Call, Compiled, ask
from tests.support.error_kinds import COMMON
from tests.support.scripted_router import ScriptedRouter

TEXT, IMAGE = "sandbox/text-generation-1", "sandbox/text-to-image-1"
ONCE = Settings(max_models=1)

# What every specialist can meet.
ANY: dict[str, ErrorKind] = {
    **COMMON,
    "error_body": "malformed_answer",
}
CHAT: dict[str, ErrorKind] = {
    **ANY,
    "null_content": "malformed_answer",
    "no_choices": "malformed_answer",
    "content_filter": "refused",
}
STREAM: dict[str, ErrorKind] = {
    **CHAT,
    "stream_error_frame": "malformed_answer",
    "stream_cut": "overloaded",
    "stream_cut_at_start": "overloaded",
}
PICTURE: dict[str, ErrorKind] = {
    **ANY,
    "not_an_image": "malformed_answer",
    "no_provider": "no_provider",
    "hub_503": "overloaded",
    "hub_timeout": "timeout",
    "hub_refused_connection": "connection",
}


@pytest.mark.parametrize("call", FORMS)
@pytest.mark.parametrize("fault", CHAT)
def test_text(fault: str, call: Call, services: Services, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("question_answering", TEXT)
    graph: Compiled = build_graph(services).compile()
    services.catalog.models(["text-generation", "text-to-image"])
    sandbox.fail(fault)
    result = call(graph, ask("why?"), ONCE)
    assert [attempt["outcome"] for attempt in result["attempts"]] == [CHAT[fault]]
    assert result["error"]["kind"] == CHAT[fault]
    assert result["messages"][-1].response_metadata["omni_router"] == "explanation"
    assert result["error"]["hint"] in result["messages"][-1].text


@pytest.mark.parametrize("in_async", [False, True])
@pytest.mark.parametrize("fault", STREAM)
def test_text_whose_tokens_are_listened_to(
    fault: str,
    in_async: bool,  # noqa: FBT001 (pytest gives it)
    services: Services,
    router: ScriptedRouter,
    sandbox: Sandbox,
) -> None:
    router.choose("question_answering", TEXT)
    graph: Compiled = build_graph(services).compile()
    services.catalog.models(["text-generation", "text-to-image"])
    sandbox.fail(fault)
    modes: Any = ["messages", "values"]

    async def listen() -> list[Any]:
        return [part async for part in graph.astream(ask("why?"), context=ONCE, stream_mode=modes)]

    parts = asyncio.run(listen()) if in_async else list(graph.stream(ask("why?"), context=ONCE, stream_mode=modes))
    mode, result = parts[-1]
    assert mode == "values"
    assert result["error"]["kind"] == STREAM[fault]


@pytest.mark.parametrize("call", FORMS)
@pytest.mark.parametrize("fault", PICTURE)
def test_picture(fault: str, call: Call, services: Services, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("image_generation", IMAGE)
    graph: Compiled = build_graph(services).compile()
    if fault == "no_provider":
        sandbox.fail("catalog_503", times=10)  # a provider that the catalog names is not looked up by the client
    services.catalog.models(["text-generation", "text-to-image"])
    sandbox.fail(fault, times=2)  # the one with a retry is to fail twice
    result = call(graph, ask("a cat"), ONCE)
    tries = 2 if fault == "no_provider" else 1
    assert [attempt["outcome"] for attempt in result["attempts"]] == [PICTURE[fault]] * tries
    assert result["error"]["kind"] == PICTURE[fault]
    assert result["artifacts"] == []


@pytest.mark.parametrize("call", FORMS)
@pytest.mark.parametrize("fault", ["web_404", "web_html"])
def test_picture_that_cannot_be_fetched(
    fault: str, call: Call, services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("image_understanding", "sandbox/image-to-text-1")
    graph: Compiled = build_graph(services).compile()
    sandbox.fail(fault)
    result = call(graph, ask("what is this?", "https://example.com/a.png"), ONCE)
    assert result["error"]["kind"] == "bad_image"


def test_every_fault_of_the_sandbox_is_tried_here() -> None:
    elsewhere = {"web_404", "web_html", "catalog_503"}  # pictures above; the catalog in test_choice.py
    boards = {name for name, fault in FAULTS.items() if fault.where == "boards"}  # no call meets those
    assert set(FAULTS) == set(STREAM) | set(PICTURE) | elsewhere | boards
