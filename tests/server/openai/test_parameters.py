"""What clients send beside a prompt: what is passed on, what is ignored and named, and settings of a single run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessageChunk
from openai import OpenAI

from omni_router import Services, Settings
from omni_router._sandbox import Sandbox
from tests.support.openai_server import TEXT, openai_server, scripted
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

TEXT2 = "sandbox/text-generation-2"
QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
PASSED_ON: dict[str, Any] = {
    "frequency_penalty": 0.5,
    "presence_penalty": 0.25,
    "top_k": 40,
    "min_p": 0.05,
    "repetition_penalty": 1.1,
    "chat_template_kwargs": {"enable_thinking": False},
}
HARMLESS: dict[str, Any] = {
    "user": "ada",
    "store": True,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "service_tier": "auto",
    "num_ctx": 4096,
}


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def post(
    url: str, path: str = "chat/completions", headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    payload = {"model": "omni", "messages": QUESTION, **body}
    return httpx.post(f"{url}/{path}", json=payload, headers=headers)


def sent(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [record.parameters for record in sandbox.requests if record.method == "POST"]


@pytest.mark.parametrize("stream", [False, True])
def test_sampling_parameters_reach_the_provider(url: str, sandbox: Sandbox, *, stream: bool) -> None:
    response = post(url, stream=stream, **PASSED_ON)
    assert response.status_code == 200
    assert "x-omni-ignored" not in response.headers
    [parameters] = sent(sandbox)
    assert {name: parameters.get(name) for name in PASSED_ON} == PASSED_ON


def test_values_that_ask_for_nothing_are_not_sent_and_not_named(url: str, sandbox: Sandbox) -> None:
    neutral: dict[str, Any] = {
        "n": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "top_k": -1,
        "min_p": 0,
        "repetition_penalty": 1,
    }
    response = post(url, **neutral, logit_bias={}, logprobs=False, top_p=None, user=None)
    assert response.status_code == 200
    assert "x-omni-ignored" not in response.headers
    assert set(sent(sandbox)[0]) == {"model", "temperature", "stream"}


@pytest.mark.parametrize("path", ["chat/completions", "route"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_has_no_effect_is_ignored_and_named(url: str, path: str, *, stream: bool) -> None:
    response = post(url, path, stream=stream, **HARMLESS)
    assert response.status_code == 200
    assert response.headers["x-omni-ignored"] == ", ".join(HARMLESS)


def test_a_failure_names_it_too(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("payment_402")
    response = post(url, temprature=1)
    assert (response.status_code, response.headers["x-omni-ignored"]) == (402, "temprature")


def test_names_of_any_kind_and_number_fit_into_the_header(url: str) -> None:
    strange: dict[str, Any] = {f"ключ,\n{number}": number for number in range(10_000)}
    response = post(url, **strange)
    assert response.status_code == 200
    assert response.headers["x-omni-ignored"].startswith("%D0%BA%D0%BB%D1%8E%D1%87%2C%0A0, ")
    assert len(response.headers["x-omni-ignored"]) < 2000


def test_logit_bias_is_for_a_model_that_was_named(url: str, sandbox: Sandbox) -> None:
    bias = {"42": -100}
    assert post(url, logit_bias=bias).headers["x-omni-ignored"] == "logit_bias"
    assert "x-omni-ignored" not in post(url, logit_bias=bias, model=TEXT).headers
    assert [parameters.get("logit_bias") for parameters in sent(sandbox)] == [None, bias]


def test_what_a_provider_refuses_is_left_out_and_named(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("bad_request_400")
    response = post(url, top_k=40, user="ada")
    assert response.status_code == 200
    assert response.headers["x-omni-ignored"] == "user, top_k"
    assert response.json()["omni"]["ignored"] == ["user", "top_k"]
    assert [attempt["model"] for attempt in response.json()["omni"]["attempts"]] == [TEXT]


def test_a_stream_names_what_a_provider_refuses_in_its_last_piece(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("bad_request_400")
    with OpenAI(base_url=url, api_key="none") as client:
        body = {"top_k": 40}
        pieces: Any = list(
            client.chat.completions.create(model="omni", messages=QUESTION, stream=True, extra_body=body)
        )
    assert pieces[-1].omni["ignored"] == ["top_k"]
    assert "Simulated answer" in "".join(piece.choices[0].delta.content or "" for piece in pieces)


def test_a_lone_system_message_is_the_request(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, [AIMessageChunk(content="The moon.")])
    with openai_server(serving) as url:
        system = [{"role": "system", "content": text} for text in ("Be brief.", "How do tides work?")]
        assert post(url, messages=system).json()["choices"][0]["message"]["content"] == "The moon."
    _, messages, _ = inference.asked[0]
    assert [(message.type, message.text) for message in messages] == [
        ("system", "Be brief."),
        ("human", "How do tides work?"),
    ]
    assert router.asked[0][0][-1]["content"] == "How do tides work?"


@pytest.mark.parametrize("path", ["chat/completions", "route"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-omni-fallback-route": "question_answering"}, {}),
        ({"X-Omni-Fallback-Route": "Question%5Fanswering"}, {}),
        ({}, {"omni_fallback_route": "question_answering"}),
        ({"x-omni-fallback-route": "cooking"}, {"omni_fallback_route": "question_answering"}),
        ({"x-omni-fallback-route": "question_answering"}, {"omni_fallback_route": None}),
    ],
)
def test_a_request_may_name_its_fallback_route(
    url: str, router: ScriptedRouter, path: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    router.choose("other")
    response = post(url, path, headers, **body)
    assert response.status_code == 200
    assert response.headers["x-omni-route"] == "question_answering"
    assert "x-omni-ignored" not in response.headers


def test_without_one_the_fallback_of_the_graph_holds(services: Services, router: ScriptedRouter) -> None:
    router.choose("other")
    with openai_server(services, Settings(fallback_route="summarization")) as url:
        assert post(url).headers["x-omni-route"] == "summarization"
        named = post(url, omni_fallback_route="question_answering")
    assert named.headers["x-omni-route"] == "question_answering"


@pytest.mark.parametrize("path", ["chat/completions", "route"])
@pytest.mark.parametrize(
    ("header", "value", "says"),
    [
        (
            "x-omni-fallback-route",
            "cooking",
            "x-omni-fallback-route is 'cooking': allowed are none, casual_conversation, ",
        ),
        ("x-omni-fallback-route", "", "x-omni-fallback-route is ''"),
        ("x-omni-prefer", "cheap", "x-omni-prefer is 'cheap': allowed is one of best, balanced, cheapest, fastest, or"),
        ("x-omni-only", ",", "allowed is a list of patterns like org/*, org/name or *:provider, separated by commas"),
        ("x-omni-max-price", "nan", "allowed is a number of US dollars for a million tokens, at least 0"),
        ("x-omni-bill-to", "my%0Aorg", "allowed is the name of an organization on the Hub"),
        ("x-omni-route", "cooking", "x-omni-route is 'cooking': allowed are casual_conversation, "),
        ("x-omni-source", "caller", "Unknown header: 'x-omni-source'. Allowed are x-omni-route, x-omni-fallback-route"),
    ],
)
def test_a_header_that_cannot_be_used_is_named_with_what_can(
    url: str, path: str, header: str, value: str, says: str
) -> None:
    response = post(url, path, {header: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == header
    assert says in response.json()["error"]["message"]


# ---- preferences and limits


@contextmanager
def recording(services: Services, router: ScriptedRouter, times: int = 1) -> Iterator[tuple[str, list[Settings]]]:
    """Serve, and give the address and the settings of each call of a model."""
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, *([AIMessageChunk(content="The moon.")] for _ in range(times)))
    calls: list[Settings] = []
    with openai_server(serving) as url:
        yield url, calls
        calls.extend(settings for _, _, settings in inference.asked)


WANTED: dict[str, Any] = {"prefer": "cheapest", "only": ("sandbox/*", "*:novita"), "never": ("a/b",), "max_price": 5.0}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (
            {
                "x-omni-prefer": "Cheapest",
                "x-omni-only": "sandbox/*, *:novita",
                "x-omni-never": "a%2Fb",
                "x-omni-max-price": "5",
                "x-omni-bill-to": "my-org",
            },
            {"reasoning_effort": "low"},
        ),
        (
            {"x-omni-prefer": "best"},
            {
                "omni_prefer": "cheapest",
                "omni_only": ["sandbox/*", "*:novita"],
                "omni_never": "a/b",
                "omni_max_price": 5,
                "omni_bill_to": "my-org",
                "reasoning_effort": "low",
            },
        ),
    ],
    ids=["headers", "body"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_preferences_and_limits_of_a_request_reach_the_run(
    services: Services, router: ScriptedRouter, headers: dict[str, str], body: dict[str, Any], *, stream: bool
) -> None:
    with recording(services, router) as (url, calls):
        response = post(url, headers=headers, stream=stream, **body)
        assert response.status_code == 200
        assert "x-omni-ignored" not in response.headers
    assert calls == [Settings(**WANTED, bill_to="my-org", reasoning_effort="low")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, {"omni_another": True}),
        ({"x-omni-another": "True"}, {}),
        ({"x-omni-another": "no"}, {"omni_another": "true"}),
    ],
)
def test_another_model_answers_a_conversation_that_ends_with_its_answer(
    services: Services, router: ScriptedRouter, headers: dict[str, str], body: dict[str, Any], *, stream: bool
) -> None:
    router.choose("question_answering")
    with openai_server(services) as url:
        first = post(url)
        answer = first.json()["choices"][0]["message"]
        second = post(url, headers=headers, messages=[*QUESTION, answer], stream=stream, **body)
    assert second.status_code == 200, second.text
    assert [reply.headers["x-omni-model"] for reply in (first, second)] == [TEXT, TEXT2]
    records = {record["id"]: record for record in services.history.models("question_answering")}
    assert (records[TEXT]["doubts"], records[TEXT2].get("doubts", 0)) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_an_objection_counts_for_the_model_behind_the_answer_that_came_back(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    router.choose("question_answering")
    with openai_server(services) as url:
        answer = post(url).json()["choices"][0]["message"]
        objection = {"role": "user", "content": "No, that's wrong."}
        for _ in range(2):  # a client that sends its request again doubts the same answer
            assert post(url, messages=[*QUESTION, answer, objection], stream=stream).status_code == 200
        unknown = {"role": "assistant", "content": "of another server"}
        assert post(url, messages=[*QUESTION, unknown, objection], stream=stream).status_code == 200
    [record] = services.history.models("question_answering")
    assert (record["uses"], record["doubts"]) == (4, 1)


@pytest.mark.parametrize(
    ("messages", "value", "complaint"),
    [
        (QUESTION, True, "no answer that another model could replace"),
        ([*QUESTION, {"role": "assistant", "content": "of another server"}], True, "no answer that another model"),
        (QUESTION, "perhaps", "allowed are true and false"),
        (QUESTION, 1, "allowed are true and false"),
    ],
)
def test_another_model_is_refused_where_no_answer_of_this_server_is_known(
    url: str, messages: Any, value: object, complaint: str
) -> None:
    response = post(url, messages=messages, omni_another=value)
    assert response.status_code == 400
    assert complaint in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("model", "route", "prefer"),
    [
        ("omni:cheapest", "question_answering", "cheapest"),
        ("Omni:Fastest", "question_answering", "fastest"),
        ("omni/Summarization:best", "summarization", "best"),
        ("omni/summarization:0.02", "summarization", 0.02),
        ("omni", "question_answering", None),
    ],
)
def test_a_preference_may_stand_behind_the_name(
    services: Services, router: ScriptedRouter, model: str, route: str, prefer: object
) -> None:
    with recording(services, router) as (url, calls):
        assert post(url, model=model).headers["x-omni-route"] == route
    assert [settings.prefer for settings in calls] == [prefer]


def test_a_field_wins_over_the_name(services: Services, router: ScriptedRouter) -> None:
    with recording(services, router, times=2) as (url, calls):
        post(url, model="omni:cheapest", omni_prefer="fastest")
        post(url, headers={"x-omni-prefer": "best"}, model="omni:cheapest")
    assert [settings.prefer for settings in calls] == ["fastest", "best"]


@pytest.mark.parametrize("model", ["omni:cheap", "omni:nan", "omni/cooking:cheapest", "omni/summarization:novita"])
def test_a_name_with_anything_else_behind_it_is_404(url: str, model: str) -> None:
    response = post(url, model=model)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert "omni/" in response.json()["error"]["message"] or ":cheapest" in response.json()["error"]["message"]


def test_an_image_may_be_asked_for_by_preference_too(url: str) -> None:
    body = {"model": "omni:cheapest", "prompt": "A fox", "omni_prefer": "best"}
    response = httpx.post(f"{url}/images/generations", json=body)
    assert (response.status_code, "x-omni-ignored" in response.headers) == (200, False)


def test_models_lists_the_preferences_and_finds_a_name_with_one(url: str) -> None:
    names = [model["id"] for model in httpx.get(f"{url}/models").json()["data"]]
    assert [name for name in names if name.startswith("omni:")] == [
        "omni:best",
        "omni:balanced",
        "omni:cheapest",
        "omni:fastest",
    ]
    assert httpx.get(f"{url}/models/omni/summarization:0.02").json()["id"] == "omni/summarization:0.02"
    assert httpx.get(f"{url}/models/omni/cooking:best").status_code == 404
