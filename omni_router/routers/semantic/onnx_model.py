"""Token states from ONNX Runtime: all-MiniLM-L6-v2 from its safetensors file, and any checkpoint with an ONNX file."""

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# From 1.29 on, ONNX Runtime reports what it computes to its maker unless this is set before its first import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic.safetensors_file import SafetensorsFile
from omni_router.routers.semantic.token_model import Precision, TokenStates

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The graphs without weights; `python .ci/minilm_graph.py` writes them.
GRAPH, INT8_GRAPH = "minilm.onnx", "minilm_int8.onnx"
WEIGHTS = ("encoder.", "embeddings.LayerNorm.")  # the first parts of the names of weights that the graph has
DENSE = (".query.weight", ".key.weight", ".value.weight", ".dense.weight")  # the last parts of those of linear layers
# Of a linear layer's weight in eight bits: its rounded numbers, and the scale of each block of them.
INT8_NAMES = ("{}.rounded", "{}.scales")
BLOCK = 128  # numbers of a row that share a scale
FOLDER = "session.model_external_initializers_file_folder_path"
STATES = ("last_hidden_state", "token_embeddings")  # names of the output with a state for each token
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class MiniLm:
    """all-MiniLM-L6-v2: the graph is part of this package, and the weights are those of a file of the original.

    ONNX Runtime maps each weight from the file and keeps only the copy it computes with. The table of words, half of
    the file, stays on the disk but for the rows of the words that are used.
    """

    def __init__(self, weights: Path, precision: Precision = "float32") -> None:
        tensors, options = SafetensorsFile(weights), session_options()
        graph = GRAPH
        arrays: dict[str, NDArray[Any]] = {}
        if precision == "int8":
            graph, arrays = INT8_GRAPH, int8_weights(tensors)
        elif weights.is_symlink():  # as in the Hub's cache: ONNX Runtime reads no file that a link leads to
            arrays = float_weights(tensors)
        else:
            options.add_session_config_entry(FOLDER, str(weights.parent))
        self._weights = [as_ort_value(array) for array in arrays.values()]
        options.add_external_initializers(list(arrays), self._weights)
        self._session = new_session(files(__package__).joinpath(graph).read_bytes(), options)
        self._words = tensors.tensor("embeddings.word_embeddings.weight")
        position = tensors.tensor("embeddings.position_embeddings.weight")
        self._positions = position + tensors.tensor("embeddings.token_type_embeddings.weight")[0]

    def __call__(self, ids: "NDArray[np.int64]", lengths: "NDArray[np.int64]", *, middle: bool) -> TokenStates:
        """Return the states of the tokens."""
        embeddings = self._words[ids] + self._positions[: ids.shape[1]]
        names = ["last_hidden_state"]
        if middle:
            names.append("middle_hidden_state")
        inputs = {"embeddings": embeddings, "lengths": lengths.astype(np.int32)}
        last, *more = self._session.run(names, inputs)
        return TokenStates(last, more[0] if more else None)


def float_weights(tensors: SafetensorsFile) -> "dict[str, NDArray[Any]]":
    """Return the weights of the graph by their names."""
    return {name: tensors.tensor(name) for name in tensors.names() if name.startswith(WEIGHTS)}


def int8_weights(tensors: SafetensorsFile) -> "dict[str, NDArray[Any]]":
    """Return the weights of the graph for eight bits: those of linear layers are rounded."""
    weights = float_weights(tensors)
    for name in list(weights):
        if name.endswith(DENSE):
            del weights[name]
            rounded, scales = (form.format(name) for form in INT8_NAMES)
            weights[rounded], weights[scales] = round_weight(tensors.read(name))
    return weights


def round_weight(weight: "NDArray[np.float32]") -> "tuple[NDArray[np.uint8], NDArray[np.float32]]":
    """Round a weight to whole numbers around 128: (rows, blocks, BLOCK), and the scale of each block, all in a row."""
    blocks = weight.reshape(len(weight), -1, BLOCK)
    scales = np.abs(blocks).max(axis=2) / np.float32(127)
    numbers = blocks / scales[:, :, None]
    np.rint(numbers, out=numbers)
    numbers += 128
    return numbers.astype(np.uint8), scales.reshape(-1)


class OnnxModel:
    """A checkpoint with an ONNX file, as sentence-transformers and Optimum export it: it shows the last layer alone.

    Raises:
        ConfigurationError: the model has inputs or outputs that are not understood.
    """

    def __init__(self, path: Path) -> None:
        self._session = new_session(str(path), session_options())
        self._inputs = [each.name for each in self._session.get_inputs()]
        outputs = [each.name for each in self._session.get_outputs()]
        for name in self._inputs:
            if name not in INPUTS:
                raise ConfigurationError(f"{path} has the input {name!r}; allowed: {', '.join(INPUTS)}")
        states = [name for name in STATES if name in outputs]
        if not states:
            raise ConfigurationError(f"{path} has the outputs {', '.join(outputs)}; needed: {' or '.join(STATES)}")
        self._output = states[0]

    def __call__(self, ids: "NDArray[np.int64]", lengths: "NDArray[np.int64]", *, middle: bool) -> TokenStates:  # noqa: ARG002
        """Return the states of the last layer."""
        positions = np.arange(ids.shape[1])
        values: Mapping[str, Any] = {
            "input_ids": ids,
            "attention_mask": (positions < lengths[:, None]).astype(np.int64),
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(positions, ids.shape),
        }
        (last,) = self._session.run([self._output], {name: values[name] for name in self._inputs})
        return TokenStates(last.astype(np.float32, copy=False), None)


def read_tokenizer(path: Path) -> Any:
    """Read a tokenizer that neither cuts nor pads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of texts, one text at a time: a batch would start threads, which break a later fork."""
    # Half of a surrogate pair is no text to the tokenizer.
    return [tokenizer.encode(text.encode(errors="replace").decode()).ids for text in texts]


def session_options() -> "onnxruntime.SessionOptions":
    """Return options for small work: one thread, and no memory held between two requests."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors, which are raised as well
    return options


def as_ort_value(array: "NDArray[Any]") -> Any:
    """Return an array as ONNX Runtime reads it, without a copy; it has to live as long as the session."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def new_session(model: str | bytes, options: "onnxruntime.SessionOptions") -> Any:
    """Start a session on the processor."""
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
