"""What a run requires of its model and provider beyond the task, and the limits on which ones may be called.

The limits of the run and of its route both bind. Tokens are estimated, rather too many than too few: a tokenizer of
every model would have to be downloaded, and a prompt that does not fit costs a call.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omni_router.config.parameters import Prefer, RouteParameters, lower_price
from omni_router.config.settings import Settings
from omni_router.messages import Message, is_image
from omni_router.model_id import PROVIDER_POLICIES, split_model_id

Capability = Literal["tools", "structured_output"]  # beyond its task, what a run may require: a field of ProviderEntry

ASCII_PER_TOKEN = 3.5  # characters: English has about 4.5, code and JSON 3 to 4
BYTES_PER_TOKEN = 3  # outside ASCII: one token a character for most scripts of Asia, two of three in Cyrillic
IMAGE_TOKENS = 1_500  # an image of a megapixel costs 300 to 1,500
MESSAGE_TOKENS = 5  # the marks around a message
ANSWER_TOKENS = 1_000  # the length of an answer that has no limit

# The weight of the price from which a number means a word: those between are worth a compromise.
CHEAPEST_FROM = 0.03


@dataclass(frozen=True)
class Requirements:
    """What a model and its provider have to do for one request, and which of them may be called."""

    capabilities: tuple[Capability, ...] = ()
    tokens_in: int = 0  # of the conversation, the instructions and the tools
    tokens_out: int = 0
    only: tuple[tuple[str, ...], ...] = ()  # a pattern of each group has to match
    never: tuple[str, ...] = ()
    max_price: float | None = None  # US dollars for a million tokens of input, and of output
    prefer: Prefer | float = "balanced"

    @property
    def tokens(self) -> int:
        """The tokens that the context of a provider has to hold."""
        return self.tokens_in + self.tokens_out

    @property
    def provider_rule(self) -> Prefer:
        """The rule by which a provider is chosen; a number stands for one of the words."""
        if not isinstance(self.prefer, int | float):
            return self.prefer
        if self.prefer >= CHEAPEST_FROM:
            return "cheapest"
        return "balanced" if self.prefer else "best"

    def outside_of_chats(self) -> "Requirements":
        """Return those of a task for which no capabilities, contexts and token prices are known."""
        return Requirements(only=self.only, never=self.never, prefer=self.prefer)


NO_REQUIREMENTS = Requirements(prefer="best")  # of nobody: Hugging Face's own choice of a provider will do


def requirements(settings: Settings, messages: Sequence[Message], parameters: RouteParameters) -> Requirements:
    """Return what a run on a route requires; the limits of both bind."""
    return requirements_with(settings, estimate_tokens(messages, settings.tools), parameters)


def requirements_with(settings: Settings, tokens: int, parameters: RouteParameters) -> Requirements:
    """Return what a run on a route requires, for a conversation of so many tokens."""
    only = parameters.only
    if settings.only:
        only = (*only, settings.only)
    max_price = lower_price(settings.max_price, parameters.max_price)
    if _names_provider(settings.model):  # whoever names the provider has seen its price
        max_price = None
    call = settings.for_route(parameters)
    return Requirements(
        capabilities=required_capabilities(settings),
        tokens_in=tokens + _tokens_of(parameters.system or ""),
        tokens_out=call.max_new_tokens or ANSWER_TOKENS,
        only=only,
        never=(*parameters.never, *settings.never),
        max_price=max_price,
        prefer="balanced" if call.prefer is None else call.prefer,
    )


def required_capabilities(settings: Settings) -> tuple[Capability, ...]:
    """Return what a run requires of its model beyond the task."""
    required: list[Capability] = []
    if settings.tools:
        required.append("tools")
    if settings.response_format is not None and settings.response_format.get("type") != "text":
        required.append("structured_output")
    return tuple(required)


def estimate_tokens(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Return about how many tokens a conversation has with the tools that are described to the model."""
    tokens = _tokens_of(json.dumps(tools, default=str)) if tools else 0
    for message in messages:
        tokens += MESSAGE_TOKENS + _tokens_of_content(message.content)
        if calls := getattr(message, "tool_calls", None):
            tokens += _tokens_of(json.dumps(calls, default=str))
    return tokens


def _tokens_of_content(content: object) -> int:
    if isinstance(content, str):
        return _tokens_of(content)
    tokens = 0
    for block in content if isinstance(content, list) else ():
        if is_image(block):
            tokens += IMAGE_TOKENS
        elif isinstance(block, Mapping):
            tokens += _tokens_of(str(block.get("text") or ""))
        else:
            tokens += _tokens_of(str(block))
    return tokens


def _tokens_of(text: str) -> int:
    size = len(text.encode(errors="replace"))
    ascii_characters = size
    if not text.isascii():
        ascii_characters = len(text.encode("ascii", errors="ignore"))
    return math.ceil(ascii_characters / ASCII_PER_TOKEN + (size - ascii_characters) / BYTES_PER_TOKEN)


def _names_provider(model: str | None) -> bool:
    """Return whether the model that a caller named comes with a provider, not with a way to choose one."""
    if model is None:
        return False
    _, provider = split_model_id(model)
    return provider is not None and provider not in PROVIDER_POLICIES
