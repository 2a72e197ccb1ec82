"""GET /v1/models and POST /v1/messages/count_tokens with Anthropic's own client."""

from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from anthropic.types import ModelInfo

from tests.support.anthropic_client import QUESTION
from tests.support.openai_server import TEXT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

TOOLS: Any = [{"name": "weather", "description": "the weather of a city", "input_schema": {"type": "object"}}]


def test_the_list_has_one_page_of_the_clients_form(client: Anthropic, url: str) -> None:
    page = client.models.list(limit=2)
    assert [ModelInfo.model_validate(model.model_dump()).type for model in page.data] == ["model"] * len(page.data)
    ids = [model.id for model in page]
    openai_ids = [model["id"] for model in httpx.get(f"{url}/models").json()["data"]]
    assert ids == openai_ids
    assert {"omni", TEXT} <= set(ids)
    assert (page.first_id, page.last_id, page.has_more) == (ids[0], ids[-1], False)


def test_one_model(client: Anthropic) -> None:
    assert client.models.retrieve("omni").display_name == "omni"
    with pytest.raises(anthropic.NotFoundError) as failure:
        client.models.retrieve("nowhere")
    assert failure.value.type == "not_found_error"


def test_tokens_are_counted_without_a_call_of_a_model(client: Anthropic) -> None:
    plain = client.messages.count_tokens(model="omni", messages=QUESTION).input_tokens
    assert plain > 0
    with_system = client.messages.count_tokens(model="omni", messages=QUESTION, system="Be brief.").input_tokens
    with_tools = client.messages.count_tokens(model="omni", messages=QUESTION, tools=TOOLS).input_tokens
    assert plain < with_system < with_tools
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="nowhere", messages=QUESTION)
