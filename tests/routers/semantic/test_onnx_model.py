"""The graphs that ship, and checkpoints of the Hub that bring an ONNX file."""

import json
import shutil
import subprocess
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
from omni_router.routers.semantic.onnx_model import BLOCK, GRAPH, INT8_GRAPH, round_weight
from omni_router.routers.semantic.pooling import normalize
from omni_router.routers.semantic.safetensors_file import SafetensorsFile
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from tests.support import sentence_checkpoints as checkpoints
from tests.support.processes import child_environment

ROOT = Path(__file__).parents[3]
TABLE = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)  # a state for each token


@pytest.fixture
def ci_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    yield
    sys.modules.pop("minilm_graph", None)


@pytest.mark.usefixtures("ci_folder")
def test_the_graphs_that_ship_are_those_that_the_script_writes() -> None:
    minilm_graph = import_module("minilm_graph")
    package = packaged_model()
    assert package is not None
    for name, writer in {GRAPH: minilm_graph.GraphWriter, INT8_GRAPH: minilm_graph.Int8GraphWriter}.items():
        shipped = onnx.load_from_string((ROOT / "omni_router/routers/semantic" / name).read_bytes())
        assert onnx.load_from_string(minilm_graph.graph(writer(package / "model.safetensors"))) == shipped
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


TEXTS = ["draw a cat", "Fix this bug: TypeError in line 3", "What is the capital of Peru, and how many live there?"]


@pytest.mark.parametrize("weight", [0.0, 1 / 3])
def test_weights_of_eight_bits_give_nearly_the_same_vectors(weight: float) -> None:
    exact = SentenceEncoder(middle_layer_weight=weight)
    rounded = SentenceEncoder(middle_layer_weight=weight, precision="int8")
    expected, vectors = exact.encode(TEXTS), rounded.encode(TEXTS)
    cosines = np.einsum("ij,ij->i", expected, vectors)
    assert cosines.min() > 0.998
    assert cosines.max() < 0.99999  # or nothing was rounded
    assert rounded.name == exact.name  # heads and vectors that are on disk serve both


def test_what_a_batch_has_beside_a_text_hardly_changes_its_vector_with_eight_bits() -> None:
    encoder = SentenceEncoder(precision="int8")
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.einsum("ij,ij->i", alone, encoder.encode(TEXTS)).min() > 0.999


def test_weights_of_eight_bits_are_read_behind_a_link(tmp_path: Path) -> None:
    package = packaged_model()
    assert package is not None
    copy = shutil.copytree(package, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").symlink_to(package / "model.safetensors")
    vectors = SentenceEncoder(copy, precision="int8").encode(TEXTS)
    np.testing.assert_array_equal(vectors, SentenceEncoder(precision="int8").encode(TEXTS))


def test_a_checkpoint_with_an_onnx_file_of_its_own_is_computed_as_that_has_it(tmp_path: Path) -> None:
    folder = build(tmp_path / "st")
    vectors = SentenceEncoder(folder, precision="int8").encode(["draw a cat"])
    np.testing.assert_array_equal(vectors, SentenceEncoder(folder).encode(["draw a cat"]))


def test_a_weight_is_rounded_to_the_nearest_number_of_its_block() -> None:
    weight = np.random.default_rng(1).standard_normal((3, 2 * BLOCK)).astype(np.float32)
    weight[:, BLOCK:] *= 100  # a block of larger numbers makes the steps of the other one no larger
    rounded, scales = round_weight(weight)
    assert rounded.shape == (3, 2, BLOCK)
    steps = scales.reshape(3, 2, 1)
    errors = np.abs((rounded.astype(np.float32) - 128) * steps - weight.reshape(3, 2, BLOCK))
    assert (errors <= steps * 0.501).all()
    assert steps[:, 0].max() < steps[:, 1].min() / 10


def test_a_tensor_that_is_copied_is_the_one_that_is_mapped() -> None:
    package = packaged_model()
    assert package is not None
    tensors = SafetensorsFile(package / "model.safetensors")
    name = "encoder.layer.0.attention.output.dense.weight"
    copy = tensors.read(name)
    np.testing.assert_array_equal(copy, tensors.tensor(name))
    assert copy.flags.writeable
    with pytest.raises(ConfigurationError, match="no tensor 'missing'"):
        tensors.read("missing")


@pytest.mark.parametrize("text", ["How do tides work?", "Comment fonctionnent les marées ?"])
def test_onnx_runtime_reports_nothing_to_its_maker(text: str, tmp_path: Path) -> None:
    """From 1.29 on it keeps an id of the device and its reports in the user's cache folder, and sends them."""
    command = [sys.executable, str(ROOT / "omni_router_dev.py"), "--sandbox", "--skip-specialists", "--prompt", text]
    environment = child_environment(tmp_path, HOME=str(tmp_path / "home"), XDG_CACHE_HOME=str(tmp_path / "home"))
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    environment.pop("CI", None)  # it reports nothing from there either
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert not list(tmp_path.rglob("deviceid"))
    assert not list(tmp_path.rglob("onnxruntime.db"))
