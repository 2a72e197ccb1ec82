"""Filling in a reply: what is certain is appended unread, and the model decides only where there is a choice.

A causal model reads its prompt once; the keys and values of what it has read are kept, so that the next prompt costs
only what is new in it. Nothing here knows of routes: it works on tokens.
"""

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Tokens = Sequence[int]


class Choice(NamedTuple):
    """Which of some options the model took, and how sure it was."""

    place: int  # in the options
    probability: float  # of this option among all of them
    runner_up: float  # at most this had the next best


class Reader:
    """A model and what it has read so far. Not for more than one thread at a time."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache: Any = DynamicCache()
        self._cache_argument = cache_argument(model)
        self._read: list[int] = []
        self._unread: list[int] = []

    def in_common(self, tokens: Tokens) -> int:
        """Count the tokens at the beginning that have been read already."""
        most = min(len(tokens), len(self._read))
        return next((i for i in range(most) if tokens[i] != self._read[i]), most)

    def start(self, tokens: Tokens) -> None:
        """Begin with these tokens; those at the beginning that were read before are not read again."""
        kept = min(self.in_common(tokens), len(tokens) - 1)  # the last is read anew, for what it says comes next
        if len(self._read) > kept:
            self._cache.crop(kept - len(self._read))  # below zero: so many are taken off the end
        self._read, self._unread = list(tokens[:kept]), list(tokens[kept:])

    def append(self, tokens: Tokens) -> None:
        """Add what comes next; it is read when something depends on it."""
        self._unread.extend(tokens)

    def next_scores(self) -> "Tensor":
        """Read what is unread, and give the logits of the token after it, as float32 on the CPU: (vocabulary,)."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([self._unread], device=self._model.device)
            cache = {self._cache_argument: self._cache}
            output = self._model(input_ids=tokens, use_cache=True, logits_to_keep=1, **cache)
        self._read += self._unread
        self._unread = []
        return output.logits[0, -1].float().cpu()  # type: ignore[no-any-return]

    def choose(self, options: Sequence[Tokens]) -> Choice:
        """Let the model take one of several continuations, greedily, and append it.

        It is asked only where they differ; no option may be the beginning of another. The probability is that of the
        option when at each fork only what leads to some option is allowed.
        """
        live, depth, probability, runner_up = list(range(len(options))), 0, 1.0, 0.0
        while len(live) > 1:
            forks: dict[int, list[int]] = {}
            for index in live:
                forks.setdefault(options[index][depth], []).append(index)
            token, live = next(iter(forks.items()))
            if len(forks) > 1:
                shares = self.next_scores()[list(forks)].softmax(0)
                best = int(shares.argmax())
                token, live = list(forks.items())[best]
                second = float(shares.topk(2).values[1])
                runner_up = max(runner_up, probability * second)
                probability *= float(shares[best])
            self.append([token])
            depth += 1
        self.append(options[live[0]][depth:])
        return Choice(live[0], probability, runner_up)

    def write(self, stops: "Tensor", limit: int) -> list[int]:
        """Let the model write greedily, up to and with a token of `stops`, a mask over the vocabulary."""
        written: list[int] = []
        while len(written) < limit:
            token = int(self.next_scores().argmax())
            written.append(token)
            if stops[token]:
                break
            self.append([token])
        return written


def cache_argument(model: Any) -> str:
    """Return the name of the cache argument: `cache` from transformers 5.24 on, `past_key_values` before."""
    return "cache" if "cache" in signature(model.forward).parameters else "past_key_values"


class Shelf:
    """A few readers of one model, so that alternating prompts do not drive each other out."""

    def __init__(self, model: Any, size: int) -> None:
        self._model, self._size = model, size
        self._readers: list[Reader] = []  # used longest ago first

    def take(self, tokens: Tokens) -> Reader:
        """Give a reader that begins with these tokens: the one that has read most of them already."""
        best = max(self._readers, key=lambda reader: reader.in_common(tokens), default=None)
        if best is None or (best.in_common(tokens) < len(tokens) // 2 and len(self._readers) < self._size):
            best = Reader(self._model)
        elif best.in_common(tokens) < len(tokens) // 2:
            best = self._readers[0]
        if best in self._readers:
            self._readers.remove(best)
        self._readers.append(best)
        best.start(tokens)
        return best
