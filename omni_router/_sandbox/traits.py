"""What sets the chat models of the sandbox apart. The figures are made up, and of the size that real ones have."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Traits:
    """What the router of Inference Providers would list for a model's first provider."""

    context_length: int = 131_072  # tokens
    input_price: float = 0.1  # US dollars for a million tokens
    output_price: float = 0.4
    throughput: float = 180.0  # tokens a second
    first_token_ms: int = 250
    known_for: tuple[str, ...] = ()  # routes of the default policy; the demo's policy names the model for them

    def at(self, place: int) -> dict[str, Any]:
        """Return what is listed for the provider at a place, from 1: each costs as much more as it is faster."""
        return {
            "context_length": self.context_length,
            "pricing": {"input": self.input_price * place, "output": self.output_price * place},
            "throughput": self.throughput * place,
            "first_token_latency_ms": self.first_token_ms // place,
        }


TRAITS = {
    # Small and fast.
    "sandbox/text-generation-1": Traits(known_for=("casual_conversation", "question_answering", "creative_writing")),
    # Thorough and dear.
    "sandbox/text-generation-2": Traits(
        262_144, 0.6, 2.2, 90.0, 600, ("code_generation", "code_debugging", "math_reasoning")
    ),
    # Of a long context, and slow.
    "sandbox/text-generation-3": Traits(1_048_576, 0.25, 1.0, 60.0, 900, ("summarization", "translation")),
    "sandbox/image-text-to-text-1": Traits(known_for=("image_understanding",)),
    # Cheap, without tools.
    "sandbox/image-text-to-text-2": Traits(32_768, 0.05, 0.15, 220.0, 200),
    "sandbox/image-text-to-text-3": Traits(262_144, 0.8, 3.2, 70.0, 700),
    "sandbox/text-to-image-1": Traits(known_for=("image_generation",)),
}


def traits_of(model: str) -> Traits:
    """Return the traits of a model; those of a plain one if it has none of its own."""
    return TRAITS.get(model, Traits())


def known_for(route: str) -> str | None:
    """Return the model that is known for a route, if there is one."""
    return next((model for model, traits in TRAITS.items() if route in traits.known_for), None)
