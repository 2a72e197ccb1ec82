"""Constrained decoding: fixed text is appended unread, and the model decides only where there is a choice.

A causal model reads its prompt once; the keys and values of the prompt are kept, so that the next prompt costs only
what is new in it. Nothing here knows of routes: it works on tokens.
"""

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Tokens = Sequence[int]


class Choice(NamedTuple):
    """The option that the model chose, and its probability."""

    option: int  # its index in the options
    probability: float  # the probability of this option among all of them
    runner_up: float  # an upper bound of the probability of the next best


class Decoder:
    """A model and what it has read so far. Not for more than one thread at a time."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache: Any = DynamicCache()
        self._cache_argument = cache_argument(model)
        self._read: list[int] = []
        self._unread: list[int] = []

    def shared_prefix(self, tokens: Tokens) -> int:
        """Count the leading tokens that have been read already."""
        length = min(len(tokens), len(self._read))
        for position in range(length):
            if tokens[position] != self._read[position]:
                return position
        return length

    def start(self, tokens: Tokens) -> None:
        """Begin with these tokens; the leading ones that have been read before are not read again."""
        cached = min(self.shared_prefix(tokens), len(tokens) - 1)  # the last is read again, for the scores after it
        if len(self._read) > cached:
            self._cache.crop(cached - len(self._read))  # a negative number removes so many from the end
        self._read, self._unread = list(tokens[:cached]), list(tokens[cached:])

    def append(self, tokens: Tokens) -> None:
        """Add the next tokens; they are read when something depends on them."""
        self._unread.extend(tokens)

    def next_scores(self) -> "Tensor":
        """Read what is unread, and return the logits of the token after it, as float32 on the CPU: (vocabulary,)."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([self._unread], device=self._model.device)
            cache = {self._cache_argument: self._cache}
            output = self._model(input_ids=tokens, use_cache=True, logits_to_keep=1, **cache)
        self._read += self._unread
        self._unread = []
        return output.logits[0, -1].float().cpu()  # type: ignore[no-any-return]

    def choose(self, options: Sequence[Tokens]) -> Choice:
        """Choose one of several continuations with the model, greedily, and append it.

        The model runs only where the options differ; no option may be the beginning of another. The probability is
        that of the option when at each fork only what leads to some option is allowed.
        """
        live, depth, probability, runner_up = list(range(len(options))), 0, 1.0, 0.0
        while len(live) > 1:
            forks = _forks(options, live, depth)
            token, live = next(iter(forks.items()))
            if len(forks) > 1:
                probabilities = self.next_scores()[list(forks)].softmax(0)
                best = int(probabilities.argmax())
                token, live = list(forks.items())[best]
                second = float(probabilities.topk(2).values[1])
                runner_up = max(runner_up, probability * second)
                probability *= float(probabilities[best])
            self.append([token])
            depth += 1
        self.append(options[live[0]][depth:])
        return Choice(live[0], probability, runner_up)

    def probabilities(self, options: Sequence[Tokens]) -> list[float]:
        """Return the probability of each of several continuations; nothing is appended.

        It is that of an option when at each fork only what leads to some option is allowed. No option may be the
        beginning of another.
        """
        begun = [*self._read, *self._unread]
        result = [0.0] * len(options)
        waiting: list[tuple[list[int], int, float]] = [(list(range(len(options))), 0, 1.0)]
        while waiting:
            live, depth, probability = waiting.pop()
            if len(live) == 1:
                result[live[0]] = probability
                continue
            forks, shares = _forks(options, live, depth), [1.0]
            if len(forks) > 1:
                self.start([*begun, *options[live[0]][:depth]])
                shares = self.next_scores()[list(forks)].softmax(0).tolist()
            for share, members in zip(shares, forks.values(), strict=True):
                waiting.append((members, depth + 1, probability * share))
        self.start(begun)
        return result

    def write(self, stops: "Tensor", limit: int) -> list[int]:
        """Generate greedily, up to and including a token of `stops`, a mask over the vocabulary."""
        written: list[int] = []
        while len(written) < limit:
            token = int(self.next_scores().argmax())
            written.append(token)
            if stops[token]:
                break
            self.append([token])
        return written


def _forks(options: Sequence[Tokens], live: Sequence[int], depth: int) -> dict[int, list[int]]:
    """Return which of the live options go on with which token."""
    forks: dict[int, list[int]] = {}
    for index in live:
        forks.setdefault(options[index][depth], []).append(index)
    return forks


def cache_argument(model: Any) -> str:
    """Return the name of the cache argument: `cache` from transformers 5.24 on, `past_key_values` before."""
    return "cache" if "cache" in signature(model.forward).parameters else "past_key_values"


class PrefixCachePool:
    """A few decoders of one model, so that alternating prompts do not evict each other."""

    def __init__(self, model: Any, size: int) -> None:
        self._model, self._size = model, size
        self._decoders: list[Decoder] = []  # least recently used first

    def __len__(self) -> int:
        """Return how many prompts are kept."""
        return len(self._decoders)

    def start(self, tokens: Tokens) -> Decoder:
        """Return a decoder that begins with these tokens: the one that has read most of them already."""
        decoder = self._closest(tokens)
        if decoder in self._decoders:
            self._decoders.remove(decoder)
        self._decoders.append(decoder)
        decoder.start(tokens)
        return decoder

    def _closest(self, tokens: Tokens) -> Decoder:
        if self._decoders:
            best = max(self._decoders, key=lambda decoder: decoder.shared_prefix(tokens))
            if best.shared_prefix(tokens) >= len(tokens) // 2:
                return best
        if len(self._decoders) < self._size:
            return Decoder(self._model)
        return self._decoders[0]
