"""Vectors of texts from a loaded checkpoint: tokens, one pass through the model, pooling."""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from omni_router.routers.semantic.pooling import normalize, pool
from omni_router.routers.semantic.sentence_checkpoint import SentenceCheckpoint

if TYPE_CHECKING:
    from omni_router.routers.semantic.encoder import Vectors

logger = logging.getLogger("omni_router")

HEAD = 0.6  # the part kept from the start of a long text: a request opens or closes it, around pasted text
MAX_CHARACTERS = 16_000  # cut before tokenising, or a pasted book is tokenised whole for 254 tokens of it
BATCH = 256  # tokens, the padding included: larger batches are no faster, and take more memory
LONG = 10  # batches: they take a second or more, so progress is shown and idle cores are used
WORKERS = 4  # threads at most for so many


def token_ids(checkpoint: SentenceCheckpoint, texts: Sequence[str]) -> list[list[int]]:
    """Tokenise, and keep the head and the tail of a text that is too long; the special tokens lie at its ends."""
    prompts = [checkpoint.prompt + _keep_ends(text, MAX_CHARACTERS, " ") for text in texts]
    if checkpoint.lower:
        prompts = list(map(str.lower, prompts))
    ids = checkpoint.transformer.tokenize(prompts)
    empty = [checkpoint.transformer.padding]  # an empty text, where the tokenizer puts nothing around it
    return [_keep_ends(row, checkpoint.max_tokens, []) or empty for row in ids]


def embed(checkpoint: SentenceCheckpoint, ids: list[list[int]], middle_layer_weight: float) -> "Vectors":
    """Embed rows of tokens in batches: (texts, dimensions), each of length one.

    With a middle layer the dimensions are those of the sentence embedding and those of the model.
    """
    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # neighbours of like length need little padding
    rows = [ids[i] for i in by_length]
    work = partial(_embed_batch, checkpoint, middle_layer_weight=middle_layer_weight)
    vectors = np.concatenate(list(_map(work, _batches(rows), len(rows))))
    return vectors[np.argsort(by_length)]


def _batches(rows: list[list[int]]) -> list[list[list[int]]]:
    """Split rows that are sorted by their lengths."""
    batches: list[list[list[int]]] = []
    for row in rows:
        if batches and (len(batches[-1]) + 1) * len(row) <= BATCH:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _map(
    work: "Callable[[list[list[int]]], Vectors]", batches: list[list[list[int]]], texts: int
) -> "Iterator[Vectors]":
    """Do the work of a request here, and that of a policy on several threads, with a progress bar."""
    if len(batches) < LONG:
        yield from map(work, batches)
        return
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from _with_progress(pool.map(work, batches), len(batches), texts)


def _with_progress(parts: "Iterator[Vectors]", count: int, texts: int) -> "Iterable[Vectors]":
    """Show a progress bar on a terminal, or log a line."""
    if not sys.stderr.isatty():
        logger.info("embedding %d texts, which takes some seconds", texts)
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, f"embedding {texts} texts", total=count, console=Console(stderr=True))


def _embed_batch(checkpoint: SentenceCheckpoint, rows: list[list[int]], middle_layer_weight: float) -> "Vectors":
    lengths = np.array(list(map(len, rows)))
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, checkpoint.transformer.padding, np.int64)
    ids[mask] = np.concatenate(rows)
    states = checkpoint.transformer.model(ids, lengths, middle=middle_layer_weight > 0)
    vectors = pool(checkpoint.pooling, states.last, mask)
    for step in checkpoint.steps:
        vectors = step(vectors)
    vectors = normalize(vectors)
    if states.middle is None:
        return vectors
    middle = normalize(pool(["mean"], states.middle, mask))
    weights = np.float32(math.sqrt(1 - middle_layer_weight)), np.float32(math.sqrt(middle_layer_weight))
    return np.concatenate([weights[0] * vectors, weights[1] * middle], axis=1)


def _keep_ends(items: Any, limit: int, between: Any) -> Any:
    """Cut the middle out of a text or a list that is longer than `limit`."""
    if len(items) <= limit:
        return items
    head = int(limit * HEAD)
    return items[:head] + between + items[len(items) - (limit - head) :]
