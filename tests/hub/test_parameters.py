"""Parameters of a text answer on their way to the provider, and providers that refuse some of them."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from omni_router import Settings
from omni_router._sandbox import Sandbox
from omni_router.errors import SpecialistError
from omni_router.hub.client import HubInference

CHAT = "sandbox/text-generation-1"
OPTIONAL: dict[str, Any] = {
    "frequency_penalty": 0.5,
    "presence_penalty": -1.0,
    "extra_body": {"top_k": 40, "chat_template_kwargs": {"enable_thinking": False}},
}


def chat(settings: Settings) -> Any:
    return HubInference().chat(CHAT, None, [HumanMessage("How do tides work?")], settings)


def sent(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [record.parameters for record in sandbox.requests if record.method == "POST"]


def test_the_provider_is_sent_what_the_settings_say(sandbox: Sandbox) -> None:
    chat(Settings(top_p=0.5, seed=7, **OPTIONAL))
    [parameters] = sent(sandbox)
    expected = {"top_p": 0.5, "seed": 7, "frequency_penalty": 0.5, "presence_penalty": -1.0, **OPTIONAL["extra_body"]}
    assert {name: parameters.get(name) for name in expected} == expected


def test_parameters_that_are_not_set_are_not_sent(sandbox: Sandbox) -> None:
    chat(Settings())
    [parameters] = sent(sandbox)
    assert set(parameters) == {"model", "temperature", "stream"}


def test_a_provider_that_refuses_them_is_asked_once_more_without(sandbox: Sandbox) -> None:
    sandbox.fail("bad_request_400")
    answer = chat(Settings(seed=7, **OPTIONAL))
    first, second = sent(sandbox)
    assert first["top_k"] == 40
    assert not {"top_k", "chat_template_kwargs", "frequency_penalty", "presence_penalty"} & set(second)
    assert second["seed"] == 7
    assert answer.text.startswith("[sandbox]")
    expected = ["frequency_penalty", "presence_penalty", "top_k", "chat_template_kwargs"]
    assert answer.response_metadata["ignored"] == expected


@pytest.mark.parametrize(
    ("fault", "values", "calls"),
    [("bad_request_400", {}, 1), ("bad_request_400", OPTIONAL, 2), ("rate_limited_429", OPTIONAL, 1)],
)
def test_a_refusal_that_they_cannot_explain_is_a_failure(
    sandbox: Sandbox, fault: str, values: dict[str, Any], calls: int
) -> None:
    sandbox.fail(fault, times=9)
    with pytest.raises(SpecialistError):
        chat(Settings(**values))
    assert len(sent(sandbox)) == calls


def test_what_settings_have_a_field_for_cannot_be_smuggled_into_the_body() -> None:
    with pytest.raises(ValidationError, match="must not contain model, messages"):
        Settings(extra_body={"model": "acme/other", "top_k": 1, "messages": []})
