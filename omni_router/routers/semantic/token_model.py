"""The first module of a checkpoint: texts to token ids, token ids to states, whatever computes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from omni_router.routers.semantic.encoder import Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# How linear layers compute: with the weights as they are, or with weights and states rounded to eight bits.
Precision = Literal["float32", "int8"]
MAX_TOKENS = 512  # a limit for every checkpoint: 8192 tokens take a large one a minute, and a user waits


class TokenStates(NamedTuple):
    """The states of the tokens of some texts, (texts, tokens, dimensions)."""

    last: Vectors
    middle: "Vectors | None"  # those of a layer at two thirds of the depth, where they can be had


class TokenModel(Protocol):
    """A model that gives each token of a text a state."""

    def __call__(self, ids: "NDArray[np.int64]", lengths: "NDArray[np.int64]", *, middle: bool) -> TokenStates:
        """Return the states for rows of token ids; of a row, the tokens beyond its length are padding."""
        ...


@dataclass(frozen=True)
class Transformer:
    """The first module of a checkpoint: texts to token ids, token ids to states."""

    tokenize: Callable[[Sequence[str]], list[list[int]]]
    model: TokenModel
    padding: int  # the token of padding
    max_tokens: int  # the special ones included
