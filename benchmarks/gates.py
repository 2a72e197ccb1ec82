"""What gates and the choice of a provider add to a turn: 100 models of 10 providers each, on the lists as cached.

    python -m benchmarks.gates

One turn judges every listed model on each set of routes that require the same, verifies the first one, and names its
provider. It is measured with nothing required, with everything that can be, and with limits that no model but the last
one passes, and printed in milliseconds of processor time (the median of many turns).
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from omni_router.hub.availability import Criteria, passes
from omni_router.hub.capabilities import Listing, RouterModels, read_listing
from omni_router.hub.listing import ModelEntry, read_chat_model
from omni_router.hub.requirements import NO_REQUIREMENTS, Requirements

MODELS, PROVIDERS, TURNS = 100, 10, 300
TASK = "text-generation"
EVERYTHING = Requirements(
    capabilities=("tools", "structured_output"),
    tokens_in=20_000,
    tokens_out=1_000,
    only=(("org/*",),),
    never=("org/model-0:provider-0", "*:provider-1"),
    max_price=5,
)
LAST_ALONE = Requirements(only=((f"org/model-{MODELS - 1}",),), never=("*:provider-1",), tokens_in=20_000)


def listed_models() -> list[ModelEntry]:
    """Return models as the router of Inference Providers lists them."""
    models: list[ModelEntry] = []
    for number in range(MODELS):
        providers = [
            {
                "provider": f"provider-{place}",
                "status": "live",
                "context_length": 131_072,
                "pricing": {"input": 0.1 * place, "output": 0.4 * place},
                "supports_tools": True,
                "supports_structured_output": True,
                "first_token_latency_ms": 900 / (place + 1),
                "throughput": 20.0 * place,
            }
            for place in range(PROVIDERS)
        ]
        models.append(read_chat_model({"id": f"org/model-{number}", "providers": providers}))
    return models


def turn(listing: Listing, router_models: RouterModels, required: Requirements) -> str | None:
    """Judge all models, and choose the provider of the first one that passes."""
    passing = [model for model in listing if passes(model, required)]
    criteria = Criteria(TASK, None, required, router_models)
    entry = router_models[passing[0].id]
    return criteria.availability(passing[0].id, entry, stale=False).provider


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median processor time of a call."""
    times: list[float] = []
    for _ in range(TURNS):
        started = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - started) / 1e6)
    return statistics.median(times)


def measure(cases: Sequence[tuple[str, Requirements]]) -> None:
    """Print what each case takes."""
    models = listed_models()
    router_models = {str(model["id"]): model for model in models}
    listing = read_listing(TASK, models, router_models, limit=None)
    reading = milliseconds(lambda: read_listing(TASK, models, router_models, limit=None))
    print(f"{'reading the lists, which each turn did before':<48} {reading:6.2f} ms")
    for name, required in cases:
        print(f"{name:<48} {milliseconds(partial(turn, listing, router_models, required)):6.2f} ms")


if __name__ == "__main__":
    measure(
        (
            ("nothing required", NO_REQUIREMENTS),
            ("a conversation of 20,000 tokens", Requirements(tokens_in=20_000, tokens_out=1_000)),
            ("tools, JSON, context, only, never, max_price", EVERYTHING),
            ("limits that only the last model passes", LAST_ALONE),
        )
    )
