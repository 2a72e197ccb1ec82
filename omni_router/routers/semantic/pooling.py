"""From the states of a text's tokens to one vector: the ways sentence-transformers has of pooling."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def pool(modes: Sequence[str], states: "Tensor", mask: "Tensor") -> "Tensor":
    """Give vectors (texts, modes x hidden) for `states` (texts, tokens, hidden); `mask` is false where padding is.

    Padding stands on the right, and every text has a token.
    """
    import torch

    return torch.cat([POOLINGS[mode](states, mask) for mode in modes], dim=1)


def _token(states: "Tensor", index: "Tensor") -> "Tensor":
    return states.take_along_dim(index[:, None, None], 1)[:, 0]


def _weighted(states: "Tensor", weights: "Tensor", power: float = 1.0) -> "Tensor":
    return (states * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True) ** power


# In the order in which a checkpoint that asks for several has them side by side.
POOLINGS: dict[str, Callable[["Tensor", "Tensor"], "Tensor"]] = {
    "cls": lambda states, _mask: states[:, 0],
    "max": lambda states, mask: states.masked_fill(~mask[:, :, None], -float("inf")).amax(1),
    "mean": lambda states, mask: _weighted(states, mask.float()),
    "mean_sqrt_len_tokens": lambda states, mask: _weighted(states, mask.float(), power=0.5),
    "weightedmean": lambda states, mask: _weighted(states, (mask * mask.cumsum(1)).float()),
    "lasttoken": lambda states, mask: _token(states, mask.sum(1) - 1),
}
