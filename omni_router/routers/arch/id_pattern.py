"""Writing a model id of one's own: token by token, and at each step only what keeps to `org/name`."""

import re
from typing import TYPE_CHECKING, Any

from omni_router.model_id import is_model_id
from omni_router.routers.arch.decoding import Reader

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 48  # of an id: the Hub allows longer ones, which nobody gives

_PART = re.compile(r"[\w.-]+", re.ASCII)
_WITH_SLASH = re.compile(r"(?:\w[\w.-]*)?/[\w.-]*", re.ASCII)


class IdPattern:
    """The tokens of a vocabulary that an id may be made of; made once, as a vocabulary is large."""

    def __init__(self, tokenizer: Any, size: int, closing: int) -> None:
        """Sort the vocabulary.

        Args:
            tokenizer: of the model.
            size: of the model's output, which may be larger than the vocabulary.
            closing: the token that ends the string.
        """
        self._texts: dict[int, str] = {number: text for text, number in tokenizer.get_vocab().items() if number < size}
        self._size, self._closing = size, closing
        self._part = self._mask(_PART)
        self._slash = self._mask(_WITH_SLASH)
        self._first = self._mask(re.compile(r"\w[\w.-]*(?:/[\w.-]*)?", re.ASCII))

    def write(self, reader: Reader) -> str | None:
        """Have a reader that has read the opening quote write an id and the closing one; None when it is not usable."""
        text = ""
        for _ in range(MAX_TOKENS):
            scores = reader.next_scores()
            token = int(scores.masked_fill(~self._allowed(text), float("-inf")).argmax())
            reader.append([token])
            if token == self._closing:
                break
            text += self._texts[token]
        return text if is_model_id(text) else None

    def _allowed(self, text: str) -> "Tensor":
        if not text:
            return self._first
        if "/" not in text:
            return self._part | self._slash
        allowed = self._part.clone()
        allowed[self._closing] = not text.endswith("/")
        return allowed

    def _mask(self, pattern: "re.Pattern[str]") -> "Tensor":
        import torch

        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[[number for number, text in self._texts.items() if pattern.fullmatch(text)]] = True
        return mask
