"""The graph that ships, and checkpoints of the Hub that bring an ONNX file."""

import json
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic import sentence_checkpoint
from omni_router.routers.semantic.checkpoint_source import packaged_model
from omni_router.routers.semantic.onnx_model import GRAPH
from omni_router.routers.semantic.pooling import normalize
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from tests.support import sentence_checkpoints as checkpoints

ROOT = Path(__file__).parents[3]
TABLE = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)  # a state for each token


@pytest.fixture
def ci_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    yield
    sys.modules.pop("minilm_graph", None)


@pytest.mark.usefixtures("ci_folder")
def test_the_graph_that_ships_is_the_one_that_the_script_writes() -> None:
    minilm_graph = import_module("minilm_graph")
    package = packaged_model()
    assert package is not None
    shipped = onnx.load_from_string((ROOT / "omni_router/routers/semantic" / GRAPH).read_bytes())
    assert onnx.load_from_string(minilm_graph.graph(package / "model.safetensors")) == shipped
    assert len(shipped.SerializeToString()) < 50_000  # no weights


def build(folder: Path, output: str = "last_hidden_state", extra_input: str | None = None) -> Path:
    """Write an ONNX file into a BERT checkpoint; it looks up each token's state, and so differs from the weights."""
    checkpoints.build(folder, checkpoints.bert, "mean")
    inputs = ["input_ids", "attention_mask", *filter(None, [extra_input])]
    node = helper.make_node("Gather", ["table", "input_ids"], [output])
    graph = helper.make_graph(
        [node],
        "lookup",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["texts", "tokens", 16])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    (folder / "onnx").mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "onnx/model.onnx").write_bytes(model.SerializeToString())
    return folder


@pytest.mark.parametrize("output", ["last_hidden_state", "token_embeddings"])
def test_the_onnx_file_of_a_checkpoint_is_used_without_a_middle_layer(output: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "st", output)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    ids = [[vocabulary[word] for word in f"[CLS] {text} [SEP]".split()] for text in ("draw a cat", "poem")]
    expected = normalize(np.stack([TABLE[row].mean(0) for row in ids]))
    for weight in (0.0, 0.3):
        vectors = SentenceEncoder(folder, middle_layer_weight=weight).encode(["draw a cat", "poem"])
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "extra", "message"),
    [("logits", None, "logits.*last_hidden_state"), ("last_hidden_state", "pixel_values", "pixel_values.*input_ids")],
)
def test_an_onnx_file_that_is_not_understood_is_reported(
    output: str, extra: str | None, message: str, tmp_path: Path
) -> None:
    folder = build(tmp_path / "st", output, extra)
    with pytest.raises(ConfigurationError, match=message):
        SentenceEncoder(folder).encode(["hello"])


def test_a_checkpoint_without_one_says_how_to_get_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.build(tmp_path / "st", checkpoints.bert, "mean")
    monkeypatch.setattr(sentence_checkpoint, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"no onnx/model.onnx.*torch, which is not installed.*\[arch\]"):
        SentenceEncoder(tmp_path / "st").encode(["hello"])


def test_weights_behind_a_link_are_read_as_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    package = packaged_model()
    assert package is not None
    copy = shutil.copytree(package, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").symlink_to(package / "model.safetensors")
    texts, weight = ["draw a cat", "write python code"], 0.3
    vectors = SentenceEncoder(copy, middle_layer_weight=weight).encode(texts)
    assert vectors.shape == (2, 768)  # with the middle layer, since the weights are those of the package
    np.testing.assert_allclose(vectors, SentenceEncoder(middle_layer_weight=weight).encode(texts), atol=1e-6)
