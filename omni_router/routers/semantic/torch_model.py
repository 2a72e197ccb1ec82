"""Token states from torch and transformers, for checkpoints without an ONNX file; both come with the extra `arch`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer
from transformers.utils import logging as transformers_logging

from omni_router.routers.semantic.checkpoint_source import CheckpointSource, unsupported
from omni_router.routers.semantic.token_model import MAX_TOKENS, TokenStates, Transformer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from omni_router.routers.semantic.encoder import Vectors

DEPTH = 2 / 3  # the depth of the layer that shows the manner of a text: the fourth of MiniLM's six


class TorchModel:
    """A model of transformers on the CPU, on one thread."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, ids: "NDArray[np.int64]", lengths: "NDArray[np.int64]", *, middle: bool) -> TokenStates:
        """Return the states of the tokens."""
        mask = torch.from_numpy((np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64))
        with _one_thread(), torch.inference_mode():
            output = self._model(input_ids=torch.from_numpy(ids), attention_mask=mask, output_hidden_states=middle)
        last = output.last_hidden_state.numpy()
        if not middle:
            return TokenStates(last, None)
        layers = len(output.hidden_states) - 1  # the first are the embeddings of the tokens
        return TokenStates(last, output.hidden_states[round(DEPTH * layers)].numpy())


def load_transformer(source: CheckpointSource, folder: str) -> Transformer:
    """Load tokenizer and weights.

    Raises:
        ConfigurationError: it is an encoder-decoder whose encoder cannot be had alone.
        Exception: a file is missing or broken; the libraries have many types.
    """
    with _quiet(bars=source.commit is not None):  # bars of a download
        config = _load(source, AutoConfig, folder)
        encodes = type(config) in AutoModelForTextEncoding._model_mapping  # noqa: SLF001 (there is no public way)
        if config.is_encoder_decoder and not encodes:
            raise unsupported(source, f"the encoder-decoder {config.model_type!r}", ["t5", "mt5", "umt5"])
        tokenizer = _load(source, AutoTokenizer, folder)
        loader = AutoModelForTextEncoding if encodes else AutoModel
        model = _load(source, loader, folder).eval().float()
    padding = int(tokenizer.pad_token_id or 0)
    return Transformer(_tokenize(tokenizer), TorchModel(model), padding, _max_tokens(tokenizer.model_max_length, model))


def load_dense(path: str | Path) -> "dict[str, Vectors]":
    """Return weight and bias of a Dense that torch has saved."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("linear."): value.float().numpy() for name, value in state.items()}


def _tokenize(tokenizer: Any) -> Callable[[Sequence[str]], list[list[int]]]:
    """Return a function of texts; one thread at a time, since a fast tokenizer may raise "Already borrowed"."""
    lock = Lock()

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        with lock:
            ids: list[list[int]] = tokenizer(list(texts), verbose=False)["input_ids"]
            return ids

    return tokenize


def _load(source: CheckpointSource, kind: Any, folder: str) -> Any:
    """Load what transformers loads, running no code of the checkpoint's own."""
    if source.commit is None:
        return kind.from_pretrained(str(Path(source.source, folder)), trust_remote_code=False)
    return kind.from_pretrained(source.source, subfolder=folder, revision=source.commit, trust_remote_code=False)


def _max_tokens(configured: int, model: Any) -> int:
    """Bound the length by the positions of the model; those of RoBERTa and its kin begin after the padding's."""
    bounds = [configured, MAX_TOKENS, getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS]
    for name, table in model.named_modules():
        if "position" in name.rpartition(".")[2] and isinstance(table, torch.nn.Embedding):
            positions = table.num_embeddings
            if table.padding_idx is not None:
                positions -= table.padding_idx + 1
            bounds.append(positions)
    return min(bound for bound in bounds if bound > 0)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Prevent torch from splitting small work over threads, which would wait for each other on a busy machine."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@contextmanager
def _quiet(*, bars: bool) -> Iterator[None]:
    """Hide load reports, and progress bars unless a download may be waited for."""
    logging: Any = transformers_logging  # it has no types
    verbosity, bars_enabled = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars_enabled:
            logging.enable_progress_bar()
