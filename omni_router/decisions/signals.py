"""Free signs that an answer was not good: how it ended, what it looks like, and what the user says next.

Each counts as a fraction of a bad rating for the model (config/records.py), apart from whether it answers at all. Pure
functions, whose work grows with the text; what they return names signs, and holds none of the text.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from omni_router.decisions.objections import is_mark, is_objection
from omni_router.error_kinds import CUT_AT_START, EMPTY, ErrorInfo
from omni_router.messages import since_request

if TYPE_CHECKING:  # LangChain comes with both
    from langchain_core.messages import AIMessage, AnyMessage

    from omni_router.state import Signal

Likeness = Callable[[str, str], float | None]  # how alike two texts are, 0..1; None: not known here

DESCRIPTIONS: "dict[Signal, str]" = {
    "empty": "the answer was empty",
    "cut": "the answer was cut by its limit before there was any text",
    "refused": "the provider blocked the answer",
    "broken_json": "the answer was not the JSON that was asked for",
    "same_tool_call": "it called a tool again that had answered",
    "asked_again": "the same question was asked again",
    "objection": "the user said that it was wrong",
    "another_model": "another model was asked for",
}

MIN_BYTES = 15  # of a question that is asked again: "go on" and "another one" mean more of the same
MAX_CHARACTERS = 300  # of questions that are compared: in longer ones most is pasted, and the task is a few words of it
# The constants were chosen on 40 pairs of questions, and judged on 24 others: docs/how-to/history.md.
ALIKE = 0.9  # of the parts of two texts, where no embedding is at hand: then only slips of the pen make a difference
MAYBE_ALIKE = 0.2  # with less, no embedding is asked: most follow-ups share little with the question before
SAME_MEANING = 0.95  # of an embedding
PART = 3  # characters: they compare texts in all scripts, also those without blanks between words
JSON_FORMS = ("json_object", "json_schema")


def describe_signals(signals: "Iterable[Signal]") -> str:
    """Return signals in words; those of a newer version by their names."""
    return "; ".join(DESCRIPTIONS.get(signal, signal) for signal in signals)


def signals_of_failure(error: ErrorInfo) -> "list[Signal]":
    """Return what the end of a call without an answer says about the model."""
    if error["kind"] == "refused":
        return ["refused"]
    if error["cause"] == CUT_AT_START:
        return ["cut"]
    if error["cause"] == EMPTY:
        return ["empty"]
    return []


def signals_of_answer(
    answer: "AIMessage", messages: "Sequence[AnyMessage]", response_format: Mapping[str, Any] | None
) -> "list[Signal]":
    """Return what an answer itself says about the model.

    Args:
        answer: the new one.
        messages: the conversation that it answers.
        response_format: the form that was asked for, in OpenAI's words.
    """
    signals: list[Signal] = []
    if _is_broken_json(answer, response_format):
        signals.append("broken_json")
    if answer.tool_calls and _repeats_a_call(answer, messages):
        signals.append("same_tool_call")
    return signals


def signals_of_reply(reply: str, request: str, likeness: Likeness | None = None) -> "list[Signal]":
    """Return what a user's next message says about the answer to the one before.

    Args:
        reply: the next message.
        request: the one before.
        likeness: of an embedding, if there is one.
    """
    signals: list[Signal] = []
    if asks_again(reply, request, likeness):
        signals.append("asked_again")
    if is_objection(reply):
        signals.append("objection")
    return signals


def asks_again(reply: str, request: str, likeness: Likeness | None = None) -> bool:
    """Return whether a message asks the same question as the one before, in nearly the same words."""
    reply, request = _plain(reply), _plain(request)
    if len(reply.encode(errors="replace")) < MIN_BYTES:
        return False
    if reply == request:
        return True
    if max(len(reply), len(request)) > MAX_CHARACTERS or _digits(reply) != _digits(request):
        return False
    shared = _shared_parts(reply, request)
    if likeness is None or shared < MAYBE_ALIKE:
        return shared >= ALIKE
    meaning = likeness(reply, request)
    if meaning is None:
        return shared >= ALIKE
    return meaning >= SAME_MEANING


def _is_broken_json(answer: "AIMessage", response_format: Mapping[str, Any] | None) -> bool:
    """Return whether what had to be JSON cannot be parsed, unless the limit on its length broke it.

    The arguments of a tool have to be JSON, and so has an answer of which that was asked, unless it calls a tool.
    """
    if answer.response_metadata.get("finish_reason") == "length":
        return False
    if answer.tool_calls or answer.invalid_tool_calls:
        return bool(answer.invalid_tool_calls)
    if not response_format or response_format.get("type") not in JSON_FORMS:
        return False
    try:
        json.loads(str(answer.text))
    except (ValueError, RecursionError):
        return True
    return False


def _repeats_a_call(answer: "AIMessage", messages: "Sequence[AnyMessage]") -> bool:
    """Return whether an answer calls a tool as one did since the newest request, and not after an error of the tool."""
    turn = since_request(messages)
    answered_ids = {message.tool_call_id for message in turn if message.type == "tool" and message.status == "success"}
    calls = chain.from_iterable(getattr(message, "tool_calls", ()) for message in turn)
    answered = [(call["name"], call["args"]) for call in calls if call["id"] in answered_ids]
    return any((call["name"], call["args"]) in answered for call in answer.tool_calls)


def _plain(text: str) -> str:
    """Return a text without differences of case, blanks and the marks at its end."""
    plain = " ".join(text.casefold().split())
    end = len(plain)
    while end and is_mark(plain[end - 1]):
        end -= 1
    return plain[:end]


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _shared_parts(first: str, second: str) -> float:
    """Return how much of two texts is in both, 0..1, in parts of a few characters."""
    one, other = _parts(first), _parts(second)
    shared = (one & other).total()
    return 2 * shared / max(1, one.total() + other.total())


def _parts(text: str) -> Counter[str]:
    return Counter(text[start : start + PART] for start in range(max(1, len(text) - PART + 1)))
