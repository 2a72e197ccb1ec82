"""Lists of addresses: each server's form, rows that cannot be read, and the ids that names become."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from omni_router.config.own_providers import OwnModel
from omni_router.model_id import is_model_id
from omni_router.own_models.discovery import MAX_MODELS, ids_of_models, read_list

OLLAMA = {"id": "llama3.2:3b", "object": "model", "created": 1733000000, "owned_by": "library"}
VLLM = {"id": "Qwen/Qwen3-8B", "object": "model", "owned_by": "vllm", "max_model_len": 40960, "permission": []}
LLAMA_CPP = {"id": "/models/gemma.gguf", "object": "model", "meta": {"vocab_type": 1, "n_ctx_train": 131072}}
TGI = {"id": "tgi", "object": "model", "owned_by": "hub"}
GATEWAY = {"id": "team/chat", "context_length": 8192, "meta": {"n_ctx": 1}}


def read(*rows: Any) -> dict[str, int | None]:
    return {row["name"]: row["context_length"] for row in read_list({"object": "list", "data": list(rows)})}


def ids(*names: str) -> dict[str, str]:
    return {model.name: name for name, model in ids_of_models("local", map(OwnModel, names))}


def test_each_server_says_in_its_way_how_much_a_model_holds() -> None:
    assert read(OLLAMA, VLLM, LLAMA_CPP, TGI, GATEWAY) == {
        "llama3.2:3b": None,
        "Qwen/Qwen3-8B": 40960,
        "/models/gemma.gguf": 131072,
        "tgi": None,
        "team/chat": 8192,
    }


@pytest.mark.parametrize("row", [None, "llama", {}, {"id": 3}, {"id": " "}, {"id": "x" * 301}])
def test_a_row_that_cannot_be_read_costs_that_row(row: Any) -> None:
    assert read(row, OLLAMA, row) == {"llama3.2:3b": None}


@pytest.mark.parametrize("value", [0, -1, True, "4096", 10**12, None, [4096]])
def test_an_absurd_context_is_unknown(value: Any) -> None:
    assert read({"id": "a", "max_model_len": value, "meta": {"n_ctx": value}}) == {"a": None}


def test_no_more_models_are_read_than_anyone_can_choose_from() -> None:
    assert len(read(*({"id": f"m{n}"} for n in range(MAX_MODELS + 50)))) == MAX_MODELS


@pytest.mark.parametrize("body", [None, [], {}, {"data": {}}, "models"])
def test_another_answer_is_not_a_list(body: Any) -> None:
    with pytest.raises(ValueError, match="does not have the expected shape"):
        read_list(body)


def test_names_become_ids() -> None:
    assert ids("llama3.2:3b", "hf.co/Qwen/Qwen3:Q4_K_M", "/models/gemma.gguf", "tgi") == {
        "llama3.2:3b": "local/llama3.2-3b",
        "hf.co/Qwen/Qwen3:Q4_K_M": "local/hf.co-Qwen-Qwen3-Q4_K_M",
        "/models/gemma.gguf": "local/models-gemma.gguf",
        "tgi": "local/tgi",
    }


def test_names_that_would_share_an_id_are_told_apart_in_any_order() -> None:
    names = ("a-b", "a:b", "a/b")
    found = ids(*names)
    assert found["a-b"] == "local/a-b"  # what needs no change keeps its name
    assert len(set(found.values())) == len(names)
    assert ids(*reversed(names)) == found


def test_a_name_without_a_letter_that_an_id_may_have_is_left_out() -> None:
    assert ids("模型", "::", "ok") == {"ok": "local/ok"}


@given(some.lists(some.text(min_size=1, max_size=120), unique=True, max_size=8))
def test_whatever_the_names_the_ids_are_ids_and_each_is_one_models(names: list[str]) -> None:
    found = ids(*names)
    assert all(map(is_model_id, found.values()))
    assert len(set(found.values())) == len(found)
