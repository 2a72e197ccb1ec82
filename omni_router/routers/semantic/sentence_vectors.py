"""Vectors of texts from a loaded checkpoint: tokens, one forward pass, pooling."""

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from omni_router.routers.semantic.concurrency import single_threaded
from omni_router.routers.semantic.sentence_checkpoint import SentenceCheckpoint, pool

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

HEAD = 0.6  # the part kept from the start of a long text: a request opens or closes it, around pasted text
MAX_CHARACTERS = 16_000  # cut before tokenising, or a pasted book is tokenised whole for 254 tokens of it
LONG = 10  # batches: a second or more, so that a progress bar is shown
BATCH = 32  # fills two cores; larger batches only pad more
DEPTH = 2 / 3  # the depth of the layer that shows the manner of a text: the fourth of MiniLM's six


def token_ids(checkpoint: SentenceCheckpoint, texts: Sequence[str]) -> list[list[int]]:
    """Tokenise, and keep the head and the tail of a text that is too long; the special tokens lie at its ends."""
    prompts = [checkpoint.prompt + _keep_ends(text, MAX_CHARACTERS, " ") for text in texts]
    if checkpoint.lower:
        prompts = list(map(str.lower, prompts))
    ids = checkpoint.tokenizer(prompts, verbose=False)["input_ids"]
    empty = [_padding(checkpoint)]  # an empty text, where the tokenizer puts nothing around it
    return [_keep_ends(row, checkpoint.max_tokens, []) or empty for row in ids]


def embed(checkpoint: SentenceCheckpoint, ids: list[list[int]], middle_layer_weight: float) -> "Tensor":
    """Embed rows of tokens in batches: (texts, dimensions), each of length one.

    With a middle layer the dimensions are those of the sentence embedding and those of the model.
    """
    import torch

    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # neighbours of like length need little padding
    rows = [ids[i] for i in by_length]
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    with single_threaded(), torch.inference_mode():
        parts = [_embed_batch(checkpoint, batch, middle_layer_weight) for batch in _with_progress(batches)]
        vectors = torch.cat(parts)
    return vectors[torch.tensor(by_length).argsort()]


def _with_progress(batches: Sequence[T]) -> Iterable[T]:
    """Show a progress bar on a terminal if there are many batches; a single request imports nothing for it."""
    if len(batches) < LONG or not sys.stderr.isatty():
        return batches
    from rich.console import Console
    from rich.progress import track

    return track(batches, f"embedding {BATCH} texts at a time", console=Console(stderr=True))


def _embed_batch(checkpoint: SentenceCheckpoint, ids: list[list[int]], middle_layer_weight: float) -> "Tensor":
    import torch

    lengths = torch.tensor(list(map(len, ids)))
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.full(mask.shape, _padding(checkpoint))
    padded[mask] = torch.tensor(list(chain.from_iterable(ids)))
    with_middle = middle_layer_weight > 0
    output = checkpoint.model(input_ids=padded, attention_mask=mask.long(), output_hidden_states=with_middle)
    vectors = pool(checkpoint.pooling, output.last_hidden_state, mask)
    for step in checkpoint.steps:
        vectors = step(vectors)
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    if not with_middle:
        return vectors
    layers = len(output.hidden_states) - 1  # the first are the embeddings of the tokens
    middle = pool(["mean"], output.hidden_states[round(DEPTH * layers)], mask)
    middle = torch.nn.functional.normalize(middle, dim=1)
    return torch.cat([math.sqrt(1 - middle_layer_weight) * vectors, math.sqrt(middle_layer_weight) * middle], dim=1)


def _padding(checkpoint: SentenceCheckpoint) -> int:
    """Return the token of padding, by which RoBERTa and its kin find their positions; without one any will do."""
    token = checkpoint.tokenizer.pad_token_id
    return int(token or 0)


def _keep_ends(items: Any, limit: int, between: Any) -> Any:
    """Cut the middle out of a text or a list that is longer than `limit`."""
    if len(items) <= limit:
        return items
    head = int(limit * HEAD)
    return items[:head] + between + items[len(items) - (limit - head) :]
