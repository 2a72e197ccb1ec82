"""Models that a file declares for the sandbox of another process."""

import json
from pathlib import Path
from typing import Any

import pytest

from omni_router._sandbox import Offer, install, uninstall
from omni_router._sandbox.models import offers_of
from omni_router.errors import ConfigurationError

RAW = {"throughput": "fast"}
OWN = {"provider": "novita", "input_price": 0.05, "context_length": 8_192, "tools": False, "raw": RAW}


def offering(**fields: Any) -> Any:
    return {"acme/own": {"offers": [{"provider": "novita", **fields}]}}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMNI_SANDBOX_MODELS", str(tmp_path / "models.json"))
    return tmp_path / "models.json"


def test_the_models_of_the_file_are_served_beside_the_sandbox_own(path: Path) -> None:
    entry = {"task": "text-generation", "offers": [OWN, {"provider": "together", "throughput": None}]}
    path.write_text(json.dumps({"acme/own": entry, "sandbox/text-generation-1": {"offers": []}}))
    box = install()
    uninstall(box)
    models = box.models()
    assert models["acme/own"].listed
    assert offers_of("acme/own", models["acme/own"]) == (
        Offer("novita", input_price=0.05, context_length=8_192, tools=False, raw=RAW),
        Offer("together", throughput=None),
    )
    assert models["sandbox/text-generation-1"].providers == ()
    assert models["sandbox/text-generation-2"].providers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "must be an object, not []"),
        ({"acme/own": 7}, "acme/own must be an object, not 7"),
        ({"acme/own": {}}, "acme/own, offers must be a list, not null"),
        ({"acme/own": {"offers": [7]}}, "offers[0] must be an object, not 7"),
        ({"acme/own": {"offers": [{}]}}, "offers[0], provider must be str, not null"),
        (offering(price=1), 'not ["price"]'),
        (offering(input_price="1"), 'input_price must be int or float, not "1"'),
        (offering(context_length=True), "context_length must be int, not true"),
        (offering(status=None), "status must be str, not null"),
        (offering(), "pass its task"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(content: Any, words: str, path: Path) -> None:
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="OMNI_SANDBOX_MODELS") as caught:
        install()
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no JSON", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, path: Path) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*models\.json"):
        install()
