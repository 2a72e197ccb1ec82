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


def random_model(layers: int = LAYERS, dtype: str = "bfloat16", *, like: Any = None) -> Any:
    """Build it on the CPU without a second copy in memory: 3.1 GB for all layers in bfloat16, in 15 seconds.

    Args:
        layers: of the 28.
        dtype: as torch names it.
        like: a model of as many layers whose weights are taken over, rounded to the `dtype`.
    """
    config = Qwen2Config(**{**SHAPE, "num_hidden_layers": layers})
    with torch.device("meta"):
        model: Any = Qwen2ForCausalLM(config)
    model = model.to(getattr(torch, dtype)).to_empty(device="cpu").eval()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies are computed, and stay float32
    model.tie_weights()
    if like is not None:
        model.load_state_dict(like.state_dict())
        return model
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            else:
                parameter.normal_(std=0.02)
    return model
