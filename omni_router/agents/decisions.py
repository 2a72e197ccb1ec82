"""A decision model of LangChain that runs on this machine: one of a few choices in words, with probabilities.

LangChain's interface of decision models is in beta, and so is this one; it needs the extra `agents`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, JsonValue

from omni_router.errors import InvalidRequest, missing_package
from omni_router.messages import IMAGE_MARK, is_image, text_of
from omni_router.routers.choices import Abstained, Choice, Option, choose
from omni_router.routers.conversation import render_conversation
from omni_router.routers.protocol import ProbabilisticRouter, Turn
from omni_router.services.choices import ChoosingRouter, choosing_router

try:
    from langchain_core.decisions import BaseDecisionModel, ChoiceAnswer, ClassifierResponse, Question
    from langchain_core.decisions import Choice as ChoiceQuestion
    from langchain_core.exceptions import ModelRefusalError
    from langchain_core.messages import BaseMessage, convert_to_messages
except ImportError as error:
    raise missing_package("OmniDecisions needs LangChain's decision models (langchain-core 1.8)", "agents") from error

EXAMPLE_KEYS = {"description", "examples"}  # of a criterion that is an object


class OmniDecisions(BaseDecisionModel):
    """A decision model that chooses with the embedded router, on this machine and for free.

    It answers `Choice` questions: the criteria describe the choices, as text or as an object
    `{"description": "...", "examples": ["...", ...]}`. The probabilities are calibrated, and the confidence is that of
    the choice. A choice named `other` or `none_of_the_above`, or `abstain_to`, stands for none of the others.

    Copies and pickles share what a process has loaded.

    Raises:
        ModelRefusalError: no choice reaches `min_confidence`, and none stands for none of the others.
        InvalidRequest: a question is not a `Choice`, or `abstain_to` is not among the choices.
        ConfigurationError: the router cannot be loaded.
    """

    model: str = "omni"
    router: ChoosingRouter = "semantic"
    min_confidence: float = Field(default=0.0, ge=0, le=1)  # below it, it abstains
    abstain_to: str | None = None  # the choice for none of the others
    engine: Any = Field(default=None, exclude=True, repr=False)  # a router of your own with `probabilities`

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return that LangChain can write a model of this kind as JSON: it holds no secret."""
        return True

    @property
    def _provider(self) -> str:
        return "omni-router"

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds.

        Raises:
            TypeError: the model was made with `engine`.
        """
        if self.engine is not None:
            raise TypeError("a model with an engine of its own cannot be pickled; make it in the process that uses it")
        return super().__getstate__()

    def _classify(self, state: Any, questions: dict[str, Question]) -> ClassifierResponse:
        if not questions:
            raise InvalidRequest("there is no question")
        router: ProbabilisticRouter = self.engine or choosing_router(self.router)
        conversation = conversation_of(state)
        answers: dict[str, ChoiceAnswer] = {}
        for name, question in questions.items():
            answers[name] = self._answer(router, conversation, name, question)
        return ClassifierResponse(model=self.model, answers={**answers})

    def _answer(
        self, router: ProbabilisticRouter, conversation: Sequence[Turn], name: str, question: Question
    ) -> ChoiceAnswer:
        if not isinstance(question, ChoiceQuestion):
            raise InvalidRequest(
                f"the question {name!r} is a {question.type}; OmniDecisions answers choices. It compares texts with "
                "descriptions and cannot judge a statement: ask for a choice between described outcomes"
            )
        options = [option_of(label, criterion) for label, criterion in question.criteria.items()]
        try:
            chosen = choose(
                router, conversation, options, min_confidence=self.min_confidence, abstain_to=self.abstain_to
            )
        except Abstained as error:
            raise ModelRefusalError(f"{name}: {error}") from error
        return _as_answer(chosen)


def _as_answer(chosen: Choice) -> ChoiceAnswer:
    return ChoiceAnswer(
        type="choice", choice=chosen.label, probabilities=chosen.probabilities, confidence=chosen.confidence
    )


def option_of(label: str, criterion: JsonValue) -> Option:
    """Return a choice from its label and its criterion: text, nothing, `{"description", "examples"}`, or other JSON."""
    if isinstance(criterion, dict) and criterion and set(criterion) <= EXAMPLE_KEYS:
        examples = criterion.get("examples") or []
        if not isinstance(examples, list) or not all(isinstance(each, str) for each in examples):
            raise InvalidRequest(f"the examples of the choice {label!r} must be a list of texts")
        return Option(label, _text(criterion.get("description")), tuple(map(str, examples)))
    return Option(label, _text(criterion))


def _text(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def conversation_of(state: Any) -> list[Turn]:
    """Return the state of a request as a conversation, whose newest user turn is what is judged.

    Messages, in a list or as the only entry `messages` of an object, are a conversation. Everything else is one text:
    JSON, in which an image is only mentioned.
    """
    if isinstance(state, Mapping) and set(state) == {"messages"}:
        state = state["messages"]
    if isinstance(state, Sequence) and not isinstance(state, str) and state and all(map(_is_message, state)):
        turns = render_conversation(convert_to_messages(list(state)))
        if any(turn["role"] == "user" for turn in turns):
            return turns
    return [Turn(role="user", content=_plain_text(state))]


def _is_message(value: Any) -> bool:
    return isinstance(value, BaseMessage) or (isinstance(value, Mapping) and set(value) == {"role", "content"})


def _plain_text(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: messages as their text, images as a mark."""
    if isinstance(value, BaseMessage):
        return text_of(value, mark_images=True)
    if is_image(value):
        return IMAGE_MARK
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(map(_plain, value))
    return value
