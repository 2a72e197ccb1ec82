"""Token states from ONNX Runtime: all-MiniLM-L6-v2 from its safetensors file, and any checkpoint with an ONNX file."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic.safetensors_file import SafetensorsFile
from omni_router.routers.semantic.token_model import TokenStates

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAPH = "minilm.onnx"  # the graph without weights; `python .ci/minilm_graph.py` writes it
WEIGHTS = ("encoder.", "embeddings.LayerNorm.")  # the first parts of the names of weights that the graph has
FOLDER = "session.model_external_initializers_file_folder_path"
STATES = ("last_hidden_state", "token_embeddings")  # names of the output with a state for each token
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class MiniLm:
    """all-MiniLM-L6-v2: the graph is part of this package, and the weights are those of a file of the original.

    ONNX Runtime maps each weight from the file and keeps only the copy it computes with. The table of words, half of
    the file, stays on the disk but for the rows of the words that are used.
    """

    def __init__(self, weights: Path) -> None:
        tensors, options = SafetensorsFile(weights), _session_options()
        if weights.is_symlink():  # as in the Hub's cache: ONNX Runtime reads no file that a link leads to
            names = [name for name in tensors.names() if name.startswith(WEIGHTS)]
            self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(tensors.tensor(name)) for name in names]
            options.add_external_initializers(names, self._weights)
        else:
            options.add_session_config_entry(FOLDER, str(weights.parent))
        self._session = _session(files(__package__).joinpath(GRAPH).read_bytes(), options)
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


class OnnxModel:
    """A checkpoint with an ONNX file, as sentence-transformers and Optimum export it: it shows the last layer alone.

    Raises:
        ConfigurationError: the model has inputs or outputs that are not understood.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(str(path), _session_options())
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
    return [tokenizer.encode(text).ids for text in texts]


def _session_options() -> "onnxruntime.SessionOptions":
    """Return options for small work: one thread, and no memory held between two requests."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors, which are raised as well
    return options


def _session(model: str | bytes, options: "onnxruntime.SessionOptions") -> Any:
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
