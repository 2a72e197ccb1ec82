"""The models of the sandbox: their providers, how they differ, and for which routes the demo's policy names them."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from omni_router._sandbox.offers import Offer

if TYPE_CHECKING:
    from omni_router.config.route_file import RouteFile

MODELS_PATH = "/api/models"  # a path of the Hub's API
ROUTER_CHECKPOINT = "katanemo/Arch-Router-1.5B"  # the Hub has a card of it here, and no files
MAPPING = "inferenceProviderMapping"  # the Hub's name for the providers of a model
REASONING_FIELDS = ("reasoning_content", "reasoning")  # in which providers send reasoning beside the content
IN_CONTENT = "content"  # the field of providers that leave it there, between <think> and </think>

_ID = re.compile(r"sandbox/([a-z]+(?:-[a-z]+)*)-\d+")
_CHAT_PROVIDERS = (("together", "fireworks-ai"), ("novita",), ("fireworks-ai", "together"))
# Each provider returns an image in its own way: as raw bytes, as base64 in JSON, as an address to fetch.
_IMAGE_PROVIDERS = (("hf-inference",), ("together",), ("fal-ai",))
_PROVIDERS = {
    "text-generation": _CHAT_PROVIDERS,
    "image-text-to-text": _CHAT_PROVIDERS,
    "text-to-image": _IMAGE_PROVIDERS,
    "feature-extraction": (("hf-inference",), ("together",), ("scaleway",)),
}


@dataclass(frozen=True)
class Reasoning:
    """How a model reasons before it answers."""

    field: str = REASONING_FIELDS[0]  # or IN_CONTENT
    tokens: int | None = None  # the length of its reasoning; None: by `reasoning_effort`
    default_limit: int | None = None  # tokens of an answer, reasoning included, where the request sets no limit
    # What it does about messages with tool calls: some models demand their reasoning, strict servers refuse it.
    back: Literal["accepted", "demanded", "refused"] = "accepted"


@dataclass(frozen=True)
class Model:
    """One model; `providers` is None without a mapping, and empty with a mapping that names no provider."""

    task: str  # the Hub's pipeline_tag
    providers: tuple[str, ...] | None
    listed: bool = False  # the catalog names it
    tools_at: tuple[str, ...] | None = None  # providers with tools and JSON schemas; None: only the first one
    gated: bool = False  # terms have to be accepted first
    open_to: tuple[str, ...] = ()  # the tokens whose owners have accepted them
    renamed_to: str | None = None
    unknowable: bool = False  # the catalog gets no answer about it, and the client does
    offers: tuple[Offer, ...] = ()  # what each provider lists; empty: as the model's traits say
    reasoning: Reasoning | None = None

    @property
    def provider_task(self) -> str:
        """The task by the name that providers give it: chat models of both kinds are conversational."""
        if self.task in ("text-generation", "image-text-to-text"):
            return "conversational"
        return self.task

    def takes_tools(self, provider: str) -> bool:
        """Check whether a provider of the model supports tools and JSON schemas."""
        if self.tools_at is not None:
            return provider in self.tools_at
        return self.providers is not None and provider in self.providers[:1]


def shipped_models() -> dict[str, Model]:
    """Return the models that every sandbox starts with."""
    models = {
        "sandbox/text-to-image-4": Model("text-to-image", ("replicate",)),
        "sandbox/image-to-text-1": Model("image-to-text", ("hf-inference",)),
        "sandbox/sentence-similarity-1": Model("sentence-similarity", ("hf-inference",)),
        ROUTER_CHECKPOINT: Model("text-generation", None),
        # They are not listed, and answer where they are named.
        "sandbox/text-generation-5": Model("text-generation", ("together",), reasoning=Reasoning()),
        "sandbox/text-generation-6": Model("text-generation", ("novita",), reasoning=Reasoning("reasoning")),
    }
    for task, table in _PROVIDERS.items():
        for number, providers in enumerate(table, start=1):
            models[f"sandbox/{task}-{number}"] = Model(task, providers, listed=True)
        models[f"sandbox/{task}-7"] = Model(task, (), unknowable=True)
        models[f"sandbox/{task}-8"] = Model(task, None)
        models[f"sandbox/{task}-9"] = Model(task, ())
    models["sandbox/image-text-to-text-2"] = replace(models["sandbox/image-text-to-text-2"], tools_at=())
    return models


def task_of(model: str) -> str:
    """Return the task in an id of the form sandbox/<task>-<n>.

    Raises:
        ValueError: the id has another form.
    """
    match = _ID.fullmatch(model)
    if match is None:
        raise ValueError(f"The sandbox does not know {model!r}; pass its task, or use an id like sandbox/<task>-<n>")
    return match[1]


def provider_id(model: str, provider: str) -> str:
    """Return a provider's name of a model: never the Hub's (but at hf-inference), or mixing them up would go unseen."""
    if provider == "hf-inference":
        return model
    return f"{provider}/{model.replace('/', '--')}"


def hub_id(name: str) -> str:
    """Return the Hub's id for a provider's name of a model; `--` is not allowed in the Hub's ids."""
    if "--" not in name:
        return name
    return name.rpartition("/")[2].replace("--", "/")


@dataclass(frozen=True)
class Traits:
    """The entry of the router of Inference Providers for a model's first provider; made up, but of a realistic size."""

    context_length: int = 131_072  # tokens
    input_price: float = 0.1  # US dollars for a million tokens
    output_price: float = 0.4
    throughput: float = 180.0  # tokens a second
    first_token_ms: int = 250
    known_for: tuple[str, ...] = ()  # routes of the default policy; the demo's policy names the model for them

    def offer(self, provider: str, place: int) -> Offer:
        """Return the offer of the provider at a place, from 1: each is as much more expensive as it is faster."""
        return Offer(
            provider,
            context_length=self.context_length,
            input_price=self.input_price * place,
            output_price=self.output_price * place,
            throughput=self.throughput * place,
            first_token_ms=self.first_token_ms // place,
        )


TRAITS = {
    # Small and fast.
    "sandbox/text-generation-1": Traits(known_for=("casual_conversation", "question_answering", "creative_writing")),
    # Thorough and expensive.
    "sandbox/text-generation-2": Traits(
        262_144, 0.6, 2.2, 90.0, 600, ("code_generation", "code_debugging", "math_reasoning")
    ),
    # With a long context, and slow.
    "sandbox/text-generation-3": Traits(1_048_576, 0.25, 1.0, 60.0, 900, ("summarization", "translation")),
    # Better than the second at most things, at several times its price.
    "sandbox/text-generation-10": Traits(262_144, 1.5, 6.0, 80.0, 700),
    # Fluent.
    "sandbox/text-generation-11": Traits(131_072, 0.15, 0.6, 150.0, 300),
    # For mathematics and knowledge.
    "sandbox/text-generation-12": Traits(131_072, 0.3, 1.1, 100.0, 500),
    # Small, weak and nearly free.
    "sandbox/text-generation-13": Traits(32_768, 0.02, 0.05, 250.0, 150),
    "sandbox/image-text-to-text-1": Traits(known_for=("image_understanding",)),
    # Cheap, without tools.
    "sandbox/image-text-to-text-2": Traits(32_768, 0.05, 0.15, 220.0, 200),
    "sandbox/image-text-to-text-3": Traits(262_144, 0.8, 3.2, 70.0, 700),
    # Nearly as good as the third, at a third of its price.
    "sandbox/image-text-to-text-10": Traits(131_072, 0.25, 1.1, 110.0, 400),
    "sandbox/text-to-image-1": Traits(known_for=("image_generation",)),
}


def traits_of(model: str) -> Traits:
    """Return the traits of a model; those of a plain one if it has none of its own."""
    return TRAITS.get(model, Traits())


def offers_of(model: str, entry: Model) -> tuple[Offer, ...]:
    """Return what each provider lists about a model, in the order of preference."""
    if entry.offers:
        return entry.offers
    offers = []
    for place, provider in enumerate(entry.providers or (), start=1):
        tools = entry.takes_tools(provider)
        offers.append(replace(traits_of(model).offer(provider, place), tools=tools, structured_output=tools))
    return tuple(offers)


def known_for(route: str) -> str | None:
    """Return the model that is known for a route, if there is one."""
    for model, traits in TRAITS.items():
        if route in traits.known_for:
            return model
    return None


def name_models(file: "RouteFile") -> None:
    """Add a model to each route of the demo's policy that has none, as users may add real ones to their policy.

    Raises:
        PolicyFileError: the file is unusable; it is left untouched.
        OSError: it cannot be written.
    """

    def change(entries: list[dict[str, Any]]) -> bool:
        changed = False
        for entry in entries:
            model = known_for(entry["name"].strip().casefold())
            if model is not None and entry.get("models", []) == []:
                entry["models"] = [{"id": model, "uses": 0}]
                changed = True
        return changed

    file.update(change)
