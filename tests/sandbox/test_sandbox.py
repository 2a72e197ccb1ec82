"""The sandbox, driven by the real client only."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub import AsyncInferenceClient, HfApi, InferenceClient
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    GenerationError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    TextGenerationError,
)
from huggingface_hub.inference._providers import _common
from huggingface_hub.utils import _http
from PIL import Image, UnidentifiedImageError

from omni_router._sandbox import FAULTS, SANDBOX_TOKEN, Sandbox, active, install, sandbox, uninstall
from omni_router._sandbox.models import known_for, name_models
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, parse_document
from omni_router.errors import ConfigurationError

CHAT, PICTURE, VISION = "sandbox/text-generation-1", "sandbox/text-to-image-1", "sandbox/image-text-to-text-1"
TASKS = ("text-generation", "text-to-image", "image-text-to-text")
DATA_URL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox() as box:
        yield box


def chat(prompt: Any = "Hello", model: str = CHAT, token: str = SANDBOX_TOKEN, **more: Any) -> Any:
    with InferenceClient(api_key=token) as client:
        return client.chat_completion([{"role": "user", "content": prompt}], model=model, **more)


def stream(prompt: str = "Hello", **more: Any) -> list[Any]:
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        messages = [{"role": "user", "content": prompt}]
        return list(client.chat_completion(messages, model=CHAT, stream=True, **more))


def paint(prompt: str = "a red cat", model: str = PICTURE, token: str = SANDBOX_TOKEN, **more: Any) -> Any:
    with InferenceClient(api_key=token, timeout=more.pop("timeout", None)) as client:
        return client.text_to_image(prompt, model=model, **more)


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# --- the Hub ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_listing_names_three_served_models_of_the_task(box: Sandbox, task: Any) -> None:
    models = list(
        HfApi().list_models(
            inference_provider="all",
            pipeline_tag=task,
            sort="trending_score",
            expand=["inferenceProviderMapping"],
            limit=10,
        )
    )
    assert [model.id for model in models] == [f"sandbox/{task}-{number}" for number in (1, 2, 3)]
    for model in models:
        assert model.inference_provider_mapping
        assert {entry.status for entry in model.inference_provider_mapping} == {"live"}


@pytest.mark.parametrize("task", ["text-generation", "image-text-to-text"])
def test_the_chat_models_of_a_task_differ_in_all_that_may_decide_between_them(box: Sandbox, task: str) -> None:
    cards = huggingface_hub.get_session().get("https://router.huggingface.co/v1/models").json()["data"]
    firsts = [card["providers"][0] for card in cards if card["id"].startswith(f"sandbox/{task}-")]
    assert len(firsts) == 3
    for key in ("context_length", "throughput", "first_token_latency_ms"):
        assert len({provider[key] for provider in firsts}) == 3, key
    for price in ("input", "output"):
        assert len({provider["pricing"][price] for provider in firsts}) == 3, price
    takes_tools = {provider["supports_tools"] for card in cards for provider in card["providers"]}
    assert takes_tools == {True, False}


def test_a_second_provider_is_dearer_and_faster(box: Sandbox) -> None:
    cards = huggingface_hub.get_session().get("https://router.huggingface.co/v1/models").json()["data"]
    first, second = next(card["providers"] for card in cards if card["id"] == CHAT)
    assert second["pricing"]["input"] > first["pricing"]["input"]
    assert second["throughput"] > first["throughput"]
    assert second["first_token_latency_ms"] < first["first_token_latency_ms"]


def test_each_route_of_the_default_policy_has_a_model_of_its_task_that_is_known_for_it(box: Sandbox) -> None:
    routes = parse_document(DEFAULT_POLICY.read_text(), DEFAULT_POLICY).routes
    known = {route.name: known_for(route.name) for route in routes}
    assert all(known.values()), known
    models = box.models()
    assert [models[str(known[route.name])].task for route in routes] == [route.task for route in routes]
    assert len(set(known.values())) > len({route.task for route in routes}), "several models of one task are shown"


def test_the_demo_names_models_only_for_routes_that_have_none(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(
        """[{"name": "Summarization", "description": "summaries", "models": ["acme/own"]},
        {"name": "translation", "description": "other languages", "models": []},
        {"name": "code_generation", "description": "writing code", "note": "kept"},
        {"name": "recipes", "description": "what to cook"},
        {"name": "math_reasoning", "description": "sums", "models": "not a list"}]"""
    )
    file = RouteFile(path)
    name_models(file)
    written = json.loads(path.read_text())
    assert [entry.get("models") for entry in written] == [
        ["acme/own"],
        [{"id": "sandbox/text-generation-3", "uses": 0}],
        [{"id": "sandbox/text-generation-2", "uses": 0}],
        None,
        "not a list",
    ]
    assert written[2]["note"] == "kept"
    before = path.stat().st_mtime_ns
    name_models(file)
    assert path.stat().st_mtime_ns == before, "nothing is written when nothing is to be named"


def test_listing_respects_its_limit_and_a_changed_mapping(box: Sandbox) -> None:
    box.set_mapping("sandbox/text-to-image-1", None)
    models = HfApi().list_models(inference_provider="all", pipeline_tag="text-to-image", limit=1)
    assert [model.id for model in models] == ["sandbox/text-to-image-2"]


def test_a_single_model_names_its_provider_and_the_providers_own_id(box: Sandbox) -> None:
    info = HfApi().model_info("sandbox/text-to-image-3", expand=["inferenceProviderMapping"])
    assert info.inference_provider_mapping
    (entry,) = info.inference_provider_mapping
    assert (entry.provider, entry.task, entry.status) == ("fal-ai", "text-to-image", "live")
    assert entry.provider_id != entry.hf_model_id == "sandbox/text-to-image-3"


def test_an_empty_mapping_makes_the_client_raise_stopiteration(box: Sandbox) -> None:
    with pytest.raises(StopIteration):
        paint(model="sandbox/text-to-image-9")


def test_an_absent_mapping_makes_the_client_raise_valueerror(box: Sandbox) -> None:
    with pytest.raises(ValueError, match="No provider mapping found"):
        paint(model="sandbox/text-to-image-8")


@pytest.mark.parametrize("model", ["nobody/nothing", "sandbox/text-generation-4", "sandbox/text-to-image-77"])
def test_an_unknown_model_is_a_repository_not_found(box: Sandbox, model: str) -> None:
    with pytest.raises(RepositoryNotFoundError):
        paint(model=model)


def test_a_mapping_can_change_but_the_client_believes_its_own_memory_until_that_is_cleared(box: Sandbox) -> None:
    box.set_mapping(PICTURE, [])
    for _ in range(2):
        with pytest.raises(StopIteration):
            paint()
    assert box.asked_for_mapping(PICTURE) == 1
    box.set_mapping(PICTURE, ["replicate"])
    with pytest.raises(StopIteration):
        paint()
    _common._fetch_inference_provider_mapping.cache_clear()
    assert paint().format == "PNG"
    assert box.asked_for_mapping(PICTURE) == 2


def test_a_mapping_that_is_empty_once_is_asked_for_by_its_kind(box: Sandbox) -> None:
    box.fail("no_provider", model=PICTURE)
    with pytest.raises(StopIteration):
        paint()
    _common._fetch_inference_provider_mapping.cache_clear()
    assert paint().format == "PNG"


def test_a_new_id_needs_a_task(box: Sandbox) -> None:
    with pytest.raises(ValueError, match="pass its task"):
        box.set_mapping("org/name", ["together"])
    box.set_mapping("org/name", ["together"], task="text-to-image")
    assert paint(model="org/name").format == "PNG"


def test_files_of_the_hub_are_out_of_reach_as_when_offline(box: Sandbox) -> None:
    with pytest.raises(OfflineModeIsEnabled):
        list(HfApi().list_repo_tree(CHAT))


def test_a_gated_model_is_listed_and_open_to_those_who_accepted_its_terms(box: Sandbox) -> None:
    box.gate(CHAT, open_to=["hf_accepted"])
    listed = {model.id: model.gated for model in HfApi().list_models(pipeline_tag=TASKS[0], expand=["gated"])}
    assert listed[CHAT] == "auto"
    assert listed["sandbox/text-generation-2"] is False
    HfApi(token="hf_accepted").auth_check(CHAT)
    with pytest.raises(GatedRepoError):
        HfApi(token="hf_other").auth_check(CHAT)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [("hub_503", HfHubHTTPError), ("hub_timeout", httpx.ReadTimeout), ("hub_refused_connection", httpx.ConnectError)],
)
def test_the_hub_itself_can_fail(box: Sandbox, fault: str, raised: type[Exception]) -> None:
    box.fail(fault)
    with pytest.raises(raised):
        list(HfApi().list_models(limit=1))
    assert len(list(HfApi().list_models(limit=1))) == 1


# --- chat ------------------------------------------------------------------------------------------------------------


def test_a_chat_answer_says_that_it_is_simulated_quotes_the_question_and_counts_tokens(box: Sandbox) -> None:
    answer = chat("Why is the sky blue? " * 40)
    content = answer.choices[0].message.content
    assert content.startswith(f"[sandbox] Simulated answer of {CHAT}: you wrote “Why is the sky blue?")
    assert len(content) < 300
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 100
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_answer_is_the_plain_one_in_pieces_with_usage_at_the_end(box: Sandbox) -> None:
    chunks = stream(stream_options={"include_usage": True})
    assert text_of(chunks) == chat().choices[0].message.content
    assert len(chunks) > 5
    assert chunks[-1].choices == []
    assert dict(chunks[-1].usage) == dict(chat().usage)
    assert all(chunk.usage is None for chunk in stream())


def test_max_tokens_cuts_the_answer_and_says_so(box: Sandbox) -> None:
    answer = chat(max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == len(answer.choices[0].message.content.split()) == 3


@pytest.mark.parametrize("suffix", [":together", ":fastest"])
def test_a_provider_or_policy_after_the_model_is_accepted(box: Sandbox, suffix: str) -> None:
    assert CHAT in chat(model=CHAT + suffix).choices[0].message.content
    assert box.requests[-1].model == CHAT


@pytest.mark.parametrize("provider", ["together", "fireworks-ai"])
def test_a_provider_named_to_the_client_answers_under_its_own_path(box: Sandbox, provider: Any) -> None:
    with InferenceClient(api_key=SANDBOX_TOKEN, provider=provider) as client:
        answer = client.chat_completion([{"role": "user", "content": "Hello"}], model=CHAT)
    assert CHAT in str(answer.choices[0].message.content)
    assert box.requests[-1].path.startswith(f"/{provider}/")


@pytest.mark.parametrize(
    "model",
    [
        "sandbox/text-generation-8",
        "sandbox/text-generation-9",
        "sandbox/image-to-text-1",
        PICTURE,
        "nobody/nothing",
        f"{CHAT}:novita",
    ],
)
def test_a_chat_with_a_model_no_chat_provider_serves_is_model_not_supported(box: Sandbox, model: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        chat(model=model)
    assert caught.value.response.json()["error"]["code"] == "model_not_supported"
    assert caught.value.response.json()["error"]["param"] == "model"


@pytest.mark.parametrize(
    ("url", "description"),
    [("https://example.org/cat.png", "https://example.org/cat.png"), (DATA_URL, "image/png, of 8 bytes")],
)
def test_a_vision_answer_says_how_the_image_came_and_does_not_echo_it(box: Sandbox, url: str, description: str) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    content = chat(parts, VISION).choices[0].message.content
    assert "What is it?" in content
    assert description in content
    assert "base64" not in content


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (CHAT, {"type": "image_url", "image_url": {"url": DATA_URL}}),
        (VISION, {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}),
    ],
)
def test_an_image_for_a_text_model_or_of_an_unknown_form_is_a_bad_request(box: Sandbox, model: str, part: Any) -> None:
    with pytest.raises(BadRequestError):
        chat([part], model)


def test_langchain_streams_with_usage(box: Sandbox) -> None:
    from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint

    endpoint = HuggingFaceEndpoint(  # type: ignore[call-arg]  # its arguments have aliases mypy does not know
        repo_id=CHAT, task="conversational", huggingfacehub_api_token=SANDBOX_TOKEN
    )
    chunks = list(ChatHuggingFace(llm=endpoint, model_id=CHAT, stream_usage=True).stream("Hello"))
    assert "".join(str(chunk.content) for chunk in chunks).startswith("[sandbox] Simulated answer")
    used = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert used
    assert used[0]["output_tokens"] > 0
    endpoint.client.close()


def test_the_async_client_is_answered_too(box: Sandbox) -> None:
    async def ask() -> str:
        async with AsyncInferenceClient(api_key=SANDBOX_TOKEN) as client:
            messages = [{"role": "user", "content": "Hello"}]
            chunks = await client.chat_completion(messages, model=CHAT, stream=True)
            return text_of([chunk async for chunk in chunks])

    assert asyncio.run(ask()) == chat().choices[0].message.content


# --- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_way_of_handing_over_gives_the_same_image_in_the_asked_size(box: Sandbox, number: int) -> None:
    model = f"sandbox/text-to-image-{number}"
    assert paint(model=model).size == (768, 512)
    drawn, again = paint(model=model, width=320, height=256), paint(width=320, height=256)
    assert drawn.size == (320, 256)
    assert drawn.tobytes() == again.tobytes()
    assert drawn.tobytes() != paint("a blue dog", model, width=320, height=256).tobytes()


def test_any_other_address_is_an_image(box: Sandbox) -> None:
    with httpx.Client(transport=box.transport) as client:
        response = client.get("https://example.org/some/cat.jpg")
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (768, 512)


def test_images_of_the_web_can_be_missing_or_invalid(box: Sandbox) -> None:
    box.fail("web_404")
    box.fail("bad_image")
    with httpx.Client(transport=box.transport) as client:
        assert client.get("https://example.org/cat.jpg").status_code == 404
        assert client.get("https://example.org/cat.jpg").headers["content-type"].startswith("text/html")


def test_image_to_text_describes_an_image(box: Sandbox) -> None:
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        caption = client.image_to_text(b"\x89PNG", model="sandbox/image-to-text-1")
        assert "Simulated caption" in str(caption.generated_text)
        box.fail("overloaded_503", model="sandbox/image-to-text-1")
        with pytest.raises(HfHubHTTPError):
            client.image_to_text(b"\x89PNG", model="sandbox/image-to-text-1")


# --- faults ----------------------------------------------------------------------------------------------------------

STATUS = {
    "token_401": 401,
    "token_403": 403,
    "payment_402": 402,
    "not_found_404": 404,
    "gone_410": 410,
    "rate_limited_429": 429,
    "overloaded_503": 503,
    "overloaded_500": 500,
    "failed_dependency_424": 424,
    "bad_request_400": 400,
    "unprocessable_422": 422,
    "model_not_supported": 400,
    "gateway_timeout_504": 504,
}
RAISED_BY_CHAT = {
    "read_timeout": httpx.ReadTimeout,
    "refused_connection": httpx.ConnectError,
    "html_body": json.JSONDecodeError,
    "empty_body": json.JSONDecodeError,
    "not_an_image": UnicodeDecodeError,
    "stream_cut": httpx.RemoteProtocolError,
    "stream_cut_at_start": httpx.RemoteProtocolError,
}
RAISED_BY_STREAM = {
    "read_timeout": httpx.ReadTimeout,
    "refused_connection": httpx.ConnectError,
    "stream_error_frame": GenerationError,
    "stream_cut": httpx.RemoteProtocolError,
    "stream_cut_at_start": httpx.RemoteProtocolError,
}
RAISED_BY_PICTURE = {
    "read_timeout": httpx.ReadTimeout,
    "refused_connection": httpx.ConnectError,
    "html_body": UnidentifiedImageError,
    "empty_body": UnidentifiedImageError,
    "error_body": UnidentifiedImageError,
    "null_content": UnidentifiedImageError,
    "no_choices": UnidentifiedImageError,
    "not_an_image": UnidentifiedImageError,
    "content_filter": BadRequestError,
    "stream_error_frame": UnidentifiedImageError,
    "stream_cut": httpx.RemoteProtocolError,
    "stream_cut_at_start": httpx.RemoteProtocolError,
}


def test_these_tables_name_every_fault_of_a_specialist() -> None:
    specialist = {name for name, fault in FAULTS.items() if fault.where == "specialist"}
    assert specialist == {*STATUS, *RAISED_BY_PICTURE}


@pytest.mark.parametrize("ask", [chat, stream, paint])
@pytest.mark.parametrize(("fault", "status"), STATUS.items())
def test_a_fault_with_a_status_gives_that_status_once(box: Sandbox, fault: str, status: int, ask: Any) -> None:
    box.fail(fault)
    with pytest.raises(HfHubHTTPError) as caught:
        ask()
    assert caught.value.response.status_code == status
    assert isinstance(caught.value, BadRequestError) == (status == 400)
    assert ask()


def test_the_headers_that_go_with_a_status_are_there(box: Sandbox) -> None:
    with pytest.raises(HfHubHTTPError, match="may not call Inference Providers") as forbidden:
        chat("[[sandbox:token_403]]")
    assert "may not call" in forbidden.value.response.headers["X-Error-Message"]
    with pytest.raises(HfHubHTTPError) as limited:
        chat("[[sandbox:rate_limited_429]]")
    assert limited.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize(("fault", "raised"), RAISED_BY_CHAT.items())
def test_a_fault_makes_a_plain_chat_raise(box: Sandbox, fault: str, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        chat(f"Hello [[sandbox:{fault}]]")


def test_wrong_bodies_that_a_plain_chat_does_not_complain_about(box: Sandbox) -> None:
    assert chat("[[sandbox:error_body]]").choices is None
    assert chat("[[sandbox:stream_error_frame]]").choices is None
    assert chat("[[sandbox:no_choices]]").choices == []
    assert chat("[[sandbox:null_content]]").choices[0].message.content is None
    assert chat("[[sandbox:content_filter]]").choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize(("fault", "raised"), RAISED_BY_STREAM.items())
def test_a_fault_makes_a_streamed_chat_raise(box: Sandbox, fault: str, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        stream(f"Hello [[sandbox:{fault}]]")
    assert issubclass(GenerationError, TextGenerationError)


def test_a_cut_comes_after_some_tokens_or_before_the_first(box: Sandbox) -> None:
    for fault, tokens in (("stream_cut", 3), ("stream_cut_at_start", 0)):
        with InferenceClient(api_key=SANDBOX_TOKEN) as client:
            messages = [{"role": "user", "content": f"[[sandbox:{fault}]]"}]
            chunks = iter(client.chat_completion(messages, model=CHAT, stream=True))
            got = [next(chunks) for _ in range(tokens)]
            with pytest.raises(httpx.RemoteProtocolError):
                next(chunks)
        assert len(got) == tokens


@pytest.mark.parametrize("fault", ["html_body", "empty_body", "error_body", "not_an_image"])
def test_a_stream_of_something_else_ends_without_a_chunk_and_without_an_exception(box: Sandbox, fault: str) -> None:
    assert stream(f"[[sandbox:{fault}]]") == []


def test_wrong_streams_that_the_client_does_not_complain_about(box: Sandbox) -> None:
    assert all(chunk.choices == [] for chunk in stream("[[sandbox:no_choices]]"))
    assert text_of(stream("[[sandbox:null_content]]")) == ""
    assert stream("[[sandbox:content_filter]]")[-1].choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize(("fault", "raised"), RAISED_BY_PICTURE.items())
def test_a_fault_makes_an_image_raise(box: Sandbox, fault: str, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        paint(f"a cat [[sandbox:{fault}]]")


@pytest.mark.parametrize(
    ("number", "fault", "raised"),
    [
        (2, "error_body", KeyError),
        (2, "no_choices", IndexError),
        (2, "html_body", json.JSONDecodeError),
        (2, "not_an_image", UnidentifiedImageError),
        (3, "error_body", KeyError),
        (3, "no_choices", IndexError),
        (3, "not_an_image", UnidentifiedImageError),
        (4, "no_choices", TimeoutError),
        (4, "not_an_image", UnidentifiedImageError),
    ],
)
def test_what_goes_wrong_differs_with_the_way_of_handing_over(
    box: Sandbox, number: int, fault: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        paint(f"a cat [[sandbox:{fault}]]", f"sandbox/text-to-image-{number}")


def test_a_directive_with_a_count_holds_for_the_first_calls_and_is_not_repeated_in_answers(box: Sandbox) -> None:
    prompt = "Hello [[sandbox:overloaded_503*2]] you [[sandbox:payment_402*1]]"
    for status in (503, 503, 402):
        with pytest.raises(HfHubHTTPError) as caught:
            chat(prompt)
        assert caught.value.response.status_code == status
    assert "“Hello you”" in chat(prompt).choices[0].message.content


def test_a_directive_in_an_earlier_message_is_over(box: Sandbox) -> None:
    messages = [{"role": "user", "content": "[[sandbox:payment_402]]"}, {"role": "user", "content": "Now?"}]
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        assert client.chat_completion(messages, model=CHAT).choices


def test_a_planned_fault_waits_for_its_model_and_counts_down(box: Sandbox) -> None:
    box.fail("overloaded", model="sandbox/text-generation-2", times=2)
    assert chat()
    for _ in range(2):
        with pytest.raises(HfHubHTTPError):
            chat(model="sandbox/text-generation-2")
    assert chat(model="sandbox/text-generation-2")


def test_an_unknown_fault_names_the_allowed_ones(box: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"no fault 'overlaoded_503'; it has: .*overloaded_503"):
        box.fail("overlaoded_503")
    with pytest.raises(ValueError, match="it has: "):
        chat("[[sandbox:overlaoded_503]]")


@pytest.mark.parametrize("ask", [chat, paint])
def test_the_wrong_token_is_refused(box: Sandbox, ask: Any) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        ask(token="hf_wrong")
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("authorization", [None, "Bearer sk-other"])
def test_no_token_or_one_of_another_kind_is_refused(box: Sandbox, authorization: str | None) -> None:
    headers = {"authorization": authorization} if authorization else {}
    with httpx.Client(transport=box.transport) as client:
        url = "https://router.huggingface.co/v1/chat/completions"
        assert client.post(url, json={"model": CHAT, "messages": []}, headers=headers).status_code == 401


def test_a_post_to_anywhere_else_and_other_paths_of_the_router_are_reported_so(box: Sandbox) -> None:
    with httpx.Client(transport=box.transport, headers={"authorization": f"Bearer {SANDBOX_TOKEN}"}) as client:
        assert "serves nothing at" in client.post("https://example.org/v1/chat/completions").json()["error"]
        assert "serves nothing at" in client.get("https://router.huggingface.co/v1/files").json()["error"]


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the seconds that are slept, and sleep no longer."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def test_latency_counts_on_specialists_only_and_may_change(box: Sandbox, slept: list[float]) -> None:
    box.latency = 100
    list(HfApi().list_models(limit=1))
    assert 100 not in slept
    chat()
    assert 100 in slept


def test_a_client_that_will_not_wait_so_long_gets_a_read_timeout(box: Sandbox, slept: list[float]) -> None:
    box.latency = 30
    with pytest.raises(httpx.ReadTimeout):
        paint(timeout=0.05)
    assert slept == [0.05]


def test_chunks_come_with_the_asked_delay(slept: list[float]) -> None:
    with sandbox(chunk_delay=0.01):
        chunks = stream()
    assert slept.count(0.01) >= len(chunks) - 1


def test_threads_are_answered_at_the_same_time_and_each_its_own(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.latency = 0.5
    all_wait = threading.Barrier(24, timeout=60)  # one after the other, none would get past it
    monkeypatch.setattr("time.sleep", lambda seconds: all_wait.wait() if seconds == box.latency else None)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda number: chat(f"question {number}."), range(24)))
    for number, answer in enumerate(answers):
        assert f"question {number}." in answer.choices[0].message.content
    assert len(box.requests) == 24


# --- coming and going ------------------------------------------------------------------------------------------------


def test_requests_tell_who_asked_what_and_never_print_the_token(box: Sandbox) -> None:
    chat(token="hf_mine")
    record = box.requests[-1]
    assert (record.method, record.host, record.path) == ("POST", "router.huggingface.co", "/v1/chat/completions")
    assert (record.model, record.token) == (CHAT, "hf_mine")
    assert "hf_mine" not in repr(record)
    list(HfApi().list_models(pipeline_tag="text-to-image", limit=1))
    assert box.requests[-1].query["pipeline_tag"] == ["text-to-image"]


def test_a_server_may_run_on_it_for_days(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router._sandbox.server.MAX_RECORDS", 10)
    for number in range(30):
        with pytest.raises(HfHubHTTPError):
            chat(f"question {number} [[sandbox:overloaded_503*1]]")
        assert chat(f"question {number} [[sandbox:overloaded_503*1]]").choices
    assert 5 <= len(box.requests) <= 10
    assert len(box._directives) == 10


def test_what_answered_before_answers_again_and_nothing_learnt_inside_is_believed() -> None:
    before, before_async = _http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY
    with sandbox() as outer:
        paint()
        assert _common._fetch_inference_provider_mapping.cache_info().currsize == 1
        with sandbox() as inner:
            assert _common._fetch_inference_provider_mapping.cache_info().currsize == 0
            assert active() is inner
            chat()
        assert active() is outer
        chat()
        assert (len(inner.requests), outer.asked_for_mapping(PICTURE)) == (1, 1)
        paint()
    assert active() is None
    assert _http._GLOBAL_CLIENT_FACTORY is before
    assert _http._GLOBAL_ASYNC_CLIENT_FACTORY is before_async
    assert _common._fetch_inference_provider_mapping.cache_info().currsize == 0


def test_a_factory_of_ones_own_is_put_back() -> None:
    before = _http._GLOBAL_CLIENT_FACTORY
    huggingface_hub.set_client_factory(mine := lambda: httpx.Client(headers={"x-mine": "1"}))
    try:
        with sandbox():
            chat()
        assert _http._GLOBAL_CLIENT_FACTORY is mine
    finally:
        huggingface_hub.set_client_factory(before)


def test_an_exception_leaves_the_sandbox_too() -> None:
    before = _http._GLOBAL_CLIENT_FACTORY
    with pytest.raises(KeyError), sandbox():
        raise KeyError
    assert active() is None
    assert _http._GLOBAL_CLIENT_FACTORY is before


def test_boxes_may_be_left_in_any_order() -> None:
    before = _http._GLOBAL_CLIENT_FACTORY
    first, second = install(), install()
    uninstall(first)
    assert active() is second
    assert chat()
    uninstall(second)
    uninstall(second)
    uninstall()
    assert active() is None
    assert _http._GLOBAL_CLIENT_FACTORY is before


def test_install_reads_the_latency_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_SANDBOX_LATENCY", "0.25")
    box = install()
    uninstall()
    assert box.latency == 0.25
    monkeypatch.setenv("OMNI_SANDBOX_LATENCY", "fast")
    with pytest.raises(ConfigurationError, match=r"OMNI_SANDBOX_LATENCY must be .* not 'fast'"):
        install()
    assert active() is None


def test_it_answers_when_the_hub_is_set_offline() -> None:
    code = (
        "from omni_router._sandbox import sandbox\n"
        "from huggingface_hub import HfApi, InferenceClient\n"
        "with sandbox(), InferenceClient(api_key='hf_sandbox') as client:\n"
        "    print(len(list(HfApi().list_models(limit=2))))\n"
        f"    client.chat_completion([dict(role='user', content='Hello')], model='{CHAT}')\n"
        f"    print(client.text_to_image('a cat', model='{PICTURE}').size)\n"
    )
    env = {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["2", "(768, 512)"]


@pytest.mark.parametrize("module", ["omni_router._sandbox", "omni_router._sandbox.pytest_plugin"])
def test_importing_it_loads_no_client(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'httpx', 'huggingface_hub', 'PIL', 'langgraph'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fixture_of_the_package_is_found_by_pytest_and_active(request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue("sandbox") is active()
