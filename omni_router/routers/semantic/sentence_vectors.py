"""Vectors of texts from a loaded checkpoint: tokens, one forward pass, pooling."""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omni_router.routers.semantic.pooling import pool
from omni_router.routers.semantic.sentence_checkpoint import SentenceCheckpoint
from omni_router.routers.semantic.single_threaded import one_thread

if TYPE_CHECKING:
    from torch import Tensor

HEAD = 0.6  # of a text that is too long: requests open or close it, what is pasted lies between
MAX_CHARACTERS = 16_000  # cut before tokenising, or a pasted book is tokenised whole for 254 tokens of it
LONG = 10  # batches: a second or more, so that whoever waits sees how long
BATCH = 32  # fills two cores; larger batches only pad more
DEPTH = 2 / 3  # of the layer that tells the manner of a text: the fourth of MiniLM's six


def token_ids(checkpoint: SentenceCheckpoint, texts: Sequence[str]) -> list[list[int]]:
    """Tokenise, and keep the head and the tail of what is too long; the special tokens lie at its ends."""
    texts = [checkpoint.prompt + _keep_ends(text, MAX_CHARACTERS, " ") for text in texts]
    texts = [text.lower() for text in texts] if checkpoint.lower else texts
    ids = checkpoint.tokenizer(texts, verbose=False)["input_ids"]
    nothing = [_padding(checkpoint)]  # an empty text, where the tokenizer puts nothing around it
    return [_keep_ends(row, checkpoint.max_tokens, []) or nothing for row in ids]


def embed(checkpoint: SentenceCheckpoint, ids: list[list[int]], manner: float) -> "Tensor":
    """Embed rows of tokens in batches: (texts, dimensions), each of length one.

    With manner the dimensions are those of the sentence embedding and those of the model.
    """
    import torch
    from rich.console import Console
    from rich.progress import track

    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # neighbours of like length need little padding
    with one_thread(), torch.inference_mode():
        batches = [by_length[start : start + BATCH] for start in range(0, len(ids), BATCH)]
        shown = len(batches) >= LONG and sys.stderr.isatty()
        bar = track(batches, f"embedding {BATCH} texts at a time", console=Console(stderr=True), disable=not shown)
        vectors = torch.cat([_embed_batch(checkpoint, [ids[i] for i in rows], manner) for rows in bar])
    return vectors[torch.tensor(by_length).argsort()]


def _embed_batch(checkpoint: SentenceCheckpoint, ids: list[list[int]], manner: float) -> "Tensor":
    import torch

    lengths = torch.tensor([len(row) for row in ids])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.full(mask.shape, _padding(checkpoint))
    padded[mask] = torch.tensor([i for row in ids for i in row])
    output = checkpoint.model(input_ids=padded, attention_mask=mask.long(), output_hidden_states=manner > 0)
    vectors = pool(checkpoint.pooling, output.last_hidden_state, mask)
    for step in checkpoint.steps:
        vectors = step(vectors)
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    if not manner:
        return vectors
    layers = len(output.hidden_states) - 1  # the first are the embeddings of the tokens
    middle = pool(["mean"], output.hidden_states[round(DEPTH * layers)], mask)
    middle = torch.nn.functional.normalize(middle, dim=1)
    return torch.cat([math.sqrt(1 - manner) * vectors, math.sqrt(manner) * middle], dim=1)


def _padding(checkpoint: SentenceCheckpoint) -> int:
    """Name the token of padding, which RoBERTa and its kin find their positions by; without one any will do."""
    named = checkpoint.tokenizer.pad_token_id
    return 0 if named is None else int(named)


def _keep_ends(items: Any, limit: int, between: Any) -> Any:
    """Cut the middle out of a text or a list that is longer than `limit`."""
    head = int(limit * HEAD)
    return items if len(items) <= limit else items[:head] + between + items[len(items) - (limit - head) :]
