"""A Qwen2 of Arch-Router's shape with random weights, which cost the same time as the real ones."""

from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

LAYERS = 28
SHAPE: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 32_768,
}


def random_model(layers: int = LAYERS, dtype: str = "bfloat16", attention: str = "sdpa", *, like: Any = None) -> Any:
    """Build it on the CPU without a second copy in memory: 3.1 GB for all layers in bfloat16, in 15 seconds.

    Args:
        layers: of the 28.
        dtype: as torch names it.
        attention: as transformers names it.
        like: a model of as many layers whose weights are taken: the same memory if it has this `dtype`, else rounded.
    """
    config = Qwen2Config(**{**SHAPE, "num_hidden_layers": layers, "attn_implementation": attention})
    with torch.device("meta"):
        model: Any = Qwen2ForCausalLM(config).to(getattr(torch, dtype))
    if like is None:
        model = model.to_empty(device="cpu")
        model.tie_weights()
        _randomize(model)
    else:
        weights = {name: weight.to(model.dtype) for name, weight in like.state_dict().items()}
        model.load_state_dict(weights, assign=True)
        model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies are computed, and stay float32
    return model.eval()


def _randomize(model: Any) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            else:
                parameter.normal_(std=0.02)
