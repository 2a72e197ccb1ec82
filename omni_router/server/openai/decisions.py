"""POST /v1/decisions: choices in words, by the embedded router on this machine; no model of the catalog is called.

The body is that of OpenAI's Decisions API (`input`, and a list of questions), or that of System One, which LangChain's
decision models have too (`state`, and questions by name).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from omni_router.agents.choice_input import conversation_of, option_of
from omni_router.config.settings import OMNI
from omni_router.messages import IMAGE_MARK
from omni_router.routers.choices import Abstained, Choice, Option, choose
from omni_router.routers.protocol import Turn
from omni_router.routers.semantic.training_set import split_phrases
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.openai.bodies import ignored_names, note_ignored, read_as, read_json
from omni_router.server.openai.errors import ApiError, shown, wrong
from omni_router.server.openai.requests import Body
from omni_router.server.openai.run import Api
from omni_router.services.choices import choosing_router

MAX_QUESTIONS, MAX_CHOICES = 100, 255
# Of all choices of a request: each phrase and example is embedded, and a head is fitted to those of a question.
MAX_CHARACTERS, MAX_TEXTS = 100_000, 2_000
NOT_SERVED = ("predicate", "noul", "score", "box")  # questions of other types
NO_USAGE = {  # no model was called that counts tokens
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}

Probability = Annotated[float, Field(ge=0, le=1)]


class _Described(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    value: StrictStr | StrictBool
    description: str | None = None


class _Question(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["choice"]
    name: str | None = None
    choices: list[_Described] = Field(min_length=2, max_length=MAX_CHOICES)


class DecisionRequest(Body):
    """The parameters of OpenAI's Decisions API that are served, and `min_confidence`."""

    input: str | list[Any] = Field(min_length=1)
    questions: list[_Question] = Field(min_length=1, max_length=MAX_QUESTIONS)
    min_confidence: Probability = 0.0  # below it, a question without a choice `other` is answered with a refusal


class _Criteria(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["choice"]
    criteria: dict[str, JsonValue] = Field(min_length=1, max_length=MAX_CHOICES)


class SystemOneRequest(Body):
    """The parameters of a System One request that are served, and `min_confidence`."""

    state: str | list[Any] | dict[str, Any] = Field(min_length=1)
    questions: dict[str, _Criteria] = Field(min_length=1, max_length=MAX_QUESTIONS)
    min_confidence: Probability = 0.0


async def decisions(api: Api, request: Request) -> Response:  # noqa: ARG001 (what every handler is given)
    """Answer each question with one of its choices."""
    body = await read_json(request)
    kind = SystemOneRequest if "state" in body else DecisionRequest
    note_ignored(request, ignored_names(kind, body))
    _check(body)
    answer = _system_one if kind is SystemOneRequest else _openai
    return ModelJSONResponse(await asyncio.to_thread(answer, body))


def _check(body: Mapping[str, Any]) -> None:
    """Check what reading the body would report in fewer words.

    Raises:
        ApiError: the model is another one, or a question asks for no choice.
    """
    model = body.get("model", OMNI)
    if model != OMNI:
        raise ApiError(f"The model is {shown(model)}; decisions are answered by {OMNI}, the embedded router.",
                       status=404, code="model_not_found", param="model")  # fmt: skip
    questions = body.get("questions")
    if isinstance(questions, dict):
        questions = list(questions.values())
    for question in questions if isinstance(questions, list) else ():
        if isinstance(question, dict) and question.get("type") in NOT_SERVED:
            raise wrong("questions", question["type"], "allowed is 'choice': the embedded router compares texts with "
                        "descriptions, and cannot judge a statement")  # fmt: skip


def _openai(body: Mapping[str, Any]) -> dict[str, Any]:
    request = read_as(DecisionRequest, body)
    conversation = _conversation(request.input)
    values_of = list(map(_values, request.questions))
    sets = list(map(_described, request.questions))
    _check_size(sets)
    answers: list[dict[str, Any]] = []
    for question, values, options in zip(request.questions, values_of, sets, strict=True):
        answers.append({"name": question.name, **_openai_answer(conversation, options, values, request.min_confidence)})
    return {"model": OMNI, "answers": answers, "usage": NO_USAGE}


def _values(question: _Question) -> dict[str, str | bool]:
    """Return the value of each label of a question.

    Raises:
        ApiError: two of them are the same.
    """
    values: dict[str, str | bool] = {}
    for each in question.choices:
        values[_label(each.value)] = each.value
    if len(values) < len(question.choices):
        raise wrong("questions", list(values), "the choices of a question must differ")
    return values


def _described(question: _Question) -> list[Option]:
    return [Option(_label(each.value), each.description or "") for each in question.choices]


def _openai_answer(
    conversation: Sequence[Turn], options: Sequence[Option], values: Mapping[str, str | bool], least: float
) -> dict[str, Any]:
    try:
        chosen = _choose(conversation, options, least)
    except Abstained:
        return {"type": "refusal"}
    probabilities: list[dict[str, Any]] = []
    for label, probability in chosen.probabilities.items():
        probabilities.append({"value": values[label], "probability": probability})
    return {
        "type": "choice",
        "choice": values[chosen.label],
        "confidence": chosen.confidence,
        "probabilities": probabilities,
    }


def _system_one(body: Mapping[str, Any]) -> dict[str, Any]:
    request = read_as(SystemOneRequest, body)
    conversation = conversation_of(request.state)
    sets: dict[str, list[Option]] = {}
    for name, question in request.questions.items():
        sets[name] = list(map(option_of, question.criteria.keys(), question.criteria.values()))
    _check_size(sets.values())
    answers: dict[str, dict[str, Any]] = {}
    for name, options in sets.items():
        try:
            chosen = _choose(conversation, options, request.min_confidence)
        except Abstained as error:
            raise ApiError(f"The question {shown(name)} has no answer: {error}.", status=422, code="refused",
                           param="questions") from error  # fmt: skip
        answers[name] = {
            "type": "choice",
            "choice": chosen.label,
            "probabilities": chosen.probabilities,
            "confidence": chosen.confidence,
        }
    return {"model": OMNI, "answers": answers, "usage": {"input_tokens": 0, "output_tokens": 0}}


def _choose(conversation: Sequence[Turn], options: Sequence[Option], least: float) -> Choice:
    return choose(choosing_router("semantic"), conversation, options, min_confidence=least)


def _check_size(sets: Iterable[Sequence[Option]]) -> None:
    """Check that the choices of a request are no more than a head is fitted to in a moment.

    Raises:
        ApiError: they are too long or too many.
    """
    characters = texts = 0
    for option in chain.from_iterable(sets):
        characters += len(option.label) + len(option.description) + sum(map(len, option.examples))
        texts += 1 + len(split_phrases(option.description)) + len(option.examples)
    if characters > MAX_CHARACTERS or texts > MAX_TEXTS:
        raise ApiError(f"The choices of the request have {characters} characters in {texts} phrases and examples; "
                       f"allowed are {MAX_CHARACTERS} in {MAX_TEXTS}.",
                       status=413, code="request_too_large", param="questions")  # fmt: skip


def _label(value: str | bool) -> str:  # noqa: FBT001 (a choice is a text or a truth value)
    return value if isinstance(value, str) else str(value).lower()


def _conversation(given: str | list[Any]) -> list[Turn]:
    """Return the input as a conversation: messages of the user and the assistant, without calls of tools.

    Raises:
        ApiError: no message of a user is among it.
    """
    if isinstance(given, str):
        return [Turn(role="user", content=given)]
    turns: list[Turn] = []
    for item in given:
        role = item.get("role") if isinstance(item, dict) else None
        if role in ("user", "assistant"):
            turns.append(Turn(role=role, content=_content(item.get("content"))))
    if not any(turn["role"] == "user" for turn in turns):
        raise wrong("input", given, "it must hold a message of the user, with text or a list of parts as content")
    return turns


def _content(content: Any) -> str:
    """Return the text of a message; an image is only mentioned, and a part that is JSON is written as text."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("input_text", "output_text"):
            texts.append(str(part.get("text") or ""))
        elif kind == "input_image":
            texts.append(IMAGE_MARK)
        elif kind == "input_json":
            texts.append(conversation_of(part.get("data"))[0]["content"])
    return "\n".join(texts)
