"""POST /v1/embeddings with OpenAI's own client: by the named model, or by the first of the catalog."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router._sandbox.embeddings import DIMENSIONS
from omni_router.config.spending_budget import Budget
from tests.support.openai_server import openai_server

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

FIRST, SECOND, THIRD = (f"sandbox/feature-extraction-{number}" for number in (1, 2, 3))
TEXTS = ["the tide comes in", "the tide goes out", "a recipe for bread"]


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    with openai_server(services) as url:
        yield url


def post(url: str, **body: Any) -> Any:
    return httpx.post(f"{url}/embeddings", json={"model": "omni", "input": "tides", **body})


@pytest.mark.parametrize("model", [FIRST, SECOND, THIRD, "sandbox/sentence-similarity-1"])
def test_each_text_has_a_vector_in_its_order(client: OpenAI, model: str) -> None:
    response = client.embeddings.create(model=model, input=TEXTS)
    assert response.model == model
    assert [entry.index for entry in response.data] == [0, 1, 2]
    tide, ebb, bread = (np.array(entry.embedding) for entry in response.data)
    assert len(tide) == DIMENSIONS
    assert tide @ ebb > tide @ bread
    alone = client.embeddings.create(model=model, input=TEXTS[1])
    assert alone.data[0].embedding == response.data[1].embedding


def test_without_a_model_the_first_of_the_catalog_is_called(client: OpenAI, sandbox: Sandbox) -> None:
    raw = client.embeddings.with_raw_response.create(model="omni", input="tides")
    assert raw.parse().model == raw.headers["x-omni-model"] == FIRST
    sandbox.set_mapping(FIRST, [])
    assert client.embeddings.create(model=f"{SECOND}:together", input="tides").model == SECOND
    assert client.embeddings.create(model="omni", input="t", extra_body={"omni_never": FIRST}).model == SECOND


def test_both_encodings_hold_the_same_numbers(url: str) -> None:
    numbers = post(url).json()["data"][0]["embedding"]
    encoded = base64.b64decode(post(url, encoding_format="base64").json()["data"][0]["embedding"])
    assert np.frombuffer(encoded, "<f4").tolist() == numbers
    assert all(isinstance(number, float) for number in numbers)


def test_dimensions_are_the_providers_to_obey(client: OpenAI) -> None:
    assert len(client.embeddings.create(model=SECOND, input="tides", dimensions=8).data[0].embedding) == 8
    with pytest.raises(openai.BadRequestError, match=f"{FIRST} has vectors of {DIMENSIONS} numbers"):
        client.embeddings.create(model=FIRST, input="tides", dimensions=8)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": [[1, 2], [3]]}, "not of tokens"),
        ({"input": [1, 2]}, "check_embedding_ctx_length=False"),
        ({"input": []}, "input is"),
        ({"input": ""}, "input[0] is"),
        ({"input": ["a", ""]}, "input[1] is"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"encoding_format": "int8"}, "encoding_format is"),
        ({"model": "omni/question_answering"}, "no route embeds texts"),
    ],
)
def test_what_is_not_served_is_refused(url: str, body: Any, message: str) -> None:
    response = post(url, **body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


def test_a_model_that_embeds_nothing_or_does_not_exist_is_refused(client: OpenAI) -> None:
    for model in ("sandbox/text-generation-1", "text-embedding-3-small", "sandbox/feature-extraction-99"):
        with pytest.raises(openai.APIStatusError) as caught:
            client.embeddings.create(model=model, input="tides")
        assert caught.value.status_code in (404, 503)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("overloaded_503", 503), ("payment_402", 402), ("error_body", 502), ("stream_cut", 503), ("content_filter", 400)],
)
def test_failures_have_the_status_of_their_kind(url: str, sandbox: Sandbox, fault: str, status: int) -> None:
    sandbox.fail(fault)
    assert post(url).status_code == status
    assert post(url).status_code == 200


def test_a_matrix_of_another_size_is_no_answer(url: str, sandbox: Sandbox) -> None:
    sandbox.bend(f"/hf-inference/models/{FIRST}/pipeline/feature-extraction", lambda vectors: [*vectors, *vectors])
    assert post(url).json()["error"]["code"] == "malformed_answer"


def test_no_model_is_left_where_all_are_excluded(url: str) -> None:
    response = post(url, omni_only="acme/*")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_model")


def test_parameters_without_effect_are_named(url: str) -> None:
    assert post(url, user="ada").headers["x-omni-ignored"] == "user"


class SpentLedger:
    def spent(self) -> float:
        return 5.0

    def add(self, dollars: float, key: str) -> None:
        raise AssertionError("what a vector costs is not known")


def test_a_budget_that_is_spent_stops_it(services: Services) -> None:
    broke: Any = replace(services, budget=Budget(day=5.0), ledger=SpentLedger())
    with openai_server(broke) as url:
        response = post(url)
    assert (response.status_code, response.json()["error"]["code"]) == (402, "insufficient_quota")
    assert json.loads(response.text)["omni"]["error"]["kind"] == "payment"
