"""What is done about models that reason before they answer: their budget, their effort, and their own reasoning."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.settings import Settings
from omni_router.hub.answer_limits import MAX_ANSWER_TOKENS
from omni_router.messages import REASONING, has_image, reasoning_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

_OPENING, _CLOSING = "<think>", "</think>"
_MOST_BLANKS = 64  # characters before the opening tag
FIELDS = ("reasoning_content", "reasoning")  # the second is the name in newer versions of vLLM
MAX_MODELS = 1024
MIN_ROOM = 1024  # tokens: where less is left, the provider knows better
_BYTES_PER_TOKEN = 2  # fewer than in any language, so that prompt and answer fit
_IMAGE_TOKENS = 4096


class ReasoningMemory:
    """What the calls of this process have shown: which models reason, and how they take their reasoning back."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._refusing: set[str] = set()

    def reasons(self, model: str) -> bool:
        """Return whether the model has reasoned."""
        return model in self._fields

    def ways_back(self, model: str) -> tuple[str | None, ...]:
        """Return the fields in which to try to pass the model's reasoning back, None for leaving it out."""
        field = self._fields.get(model, FIELDS[0])
        return (None, field) if model in self._refusing else (field, None)

    def note_field(self, model: str, field: str) -> None:
        """Note the field in which a model sends its reasoning."""
        if len(self._fields) >= MAX_MODELS:
            self._fields.clear()
        self._fields[model] = field

    def note_second_way(self, model: str) -> None:
        """Note that a model accepted its reasoning, or a request without it, only the second way."""
        if len(self._refusing) >= MAX_MODELS:
            self._refusing.clear()
        self._refusing ^= {model}


class ThinkTags:
    """Takes reasoning out of a content that begins with <think>, piece by piece, as some providers leave it there."""

    def __init__(self) -> None:
        self._held = ""  # text that may be the beginning of a tag
        self._place: Literal["start", "reasoning", "gap", "answer"] = "start"

    def split(self, text: str) -> tuple[str, str]:
        """Return the reasoning and the answer in the next piece of the content."""
        held, self._held = self._held + text, ""
        reasoning = ""
        if self._place == "start":
            held = self._after_opening(held)
        if self._place == "reasoning":
            reasoning, closed, held = held.partition(_CLOSING)
            self._place = "gap" if closed else "reasoning"
            if not closed:
                reasoning, self._held = _without_tag_start(reasoning, _CLOSING)
        if self._place == "gap" and (held := held.lstrip()):
            self._place = "answer"
        return reasoning, held

    def rest(self) -> tuple[str, str]:
        """Return the reasoning and the answer that were held back when the content ended."""
        held, self._held = self._held, ""
        return (held, "") if self._place == "reasoning" else ("", held)

    def _after_opening(self, text: str) -> str:
        """Return what follows the opening tag, all of a text without one, or nothing if that is not known yet."""
        start = text.lstrip()
        if start.startswith(_OPENING):
            self._place = "reasoning"
            return start.removeprefix(_OPENING)
        if _OPENING.startswith(start) and len(text) < _MOST_BLANKS:
            self._held = text
            return ""
        self._place = "answer"
        return text


def _without_tag_start(text: str, tag: str) -> tuple[str, str]:
    """Divide a text before the beginning of a tag at its end."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:length]):
            return text[:-length], text[-length:]
    return text, ""


def answer_room(
    messages: Iterable[AnyMessage], settings: Settings, profile: "ModelProfile", context: int | None
) -> int | None:
    """Return how many tokens a model may reason and answer in; None to leave it to the provider.

    Args:
        messages: the conversation.
        settings: of the run.
        profile: of the model, with the most that it writes at once.
        context: the tokens that the provider takes, prompt and answer together; None if it is not known.
    """
    context = context or profile.get("max_input_tokens")
    limits = [MAX_ANSWER_TOKENS]
    if most := profile.get("max_output_tokens"):
        limits.append(most)
    if context:
        limits.append(context - _prompt_tokens(messages, settings))
    if len(limits) == 1 or min(limits) < MIN_ROOM:
        return None
    return min(limits)


def _prompt_tokens(messages: Iterable[AnyMessage], settings: Settings) -> int:
    """Estimate the tokens of a prompt, rather too high."""
    size = len(json.dumps(settings.tools)) + len(json.dumps(settings.response_format))
    tokens = 0
    for message in messages:
        size += len(text_of(message).encode("utf-8", "surrogatepass")) + len(reasoning_of(message))
        if isinstance(message, AIMessage):
            size += len(json.dumps(message.tool_calls, default=str))
        if has_image(message):
            tokens += _IMAGE_TOKENS
    return tokens + size // _BYTES_PER_TOKEN


def own_reasoning(messages: Sequence[AnyMessage], model: str) -> list[AnyMessage]:
    """Return the messages without the reasoning of other models, which would mean nothing to this one."""
    return [message if _may_be_by(message, model) else _without_reasoning(message) for message in messages]


def has_reasoning_to_pass_back(messages: Iterable[AnyMessage]) -> bool:
    """Return whether there is reasoning beside tool calls."""
    return any(isinstance(message, AIMessage) and message.tool_calls and reasoning_of(message) for message in messages)


def _may_be_by(message: AnyMessage, model: str) -> bool:
    decision = message.response_metadata.get("decision")
    if not isinstance(decision, Mapping):
        return True
    return decision.get("model") in (None, model)


def _without_reasoning(message: AnyMessage) -> AnyMessage:
    kwargs = {key: value for key, value in message.additional_kwargs.items() if key != REASONING}
    return message.model_copy(update={"additional_kwargs": kwargs})
