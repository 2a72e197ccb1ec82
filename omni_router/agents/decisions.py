"""A decision model of LangChain that runs on this machine: one of a few choices in words, with probabilities.

LangChain's interface of decision models is in beta, and so is this one; it needs the extra `agents`.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from omni_router.agents.choice_input import conversation_of, option_of
from omni_router.errors import InvalidRequest, missing_package
from omni_router.routers.choices import Abstained, Choice, choose
from omni_router.routers.protocol import ProbabilisticRouter, Turn
from omni_router.services.choices import ChoosingRouter, choosing_router

try:
    from langchain_core.decisions import BaseDecisionModel, ChoiceAnswer, ClassifierResponse, Question
    from langchain_core.decisions import Choice as ChoiceQuestion
    from langchain_core.exceptions import ModelRefusalError
except ImportError as error:
    raise missing_package("OmniDecisions needs LangChain's decision models (langchain-core 1.8)", "agents") from error


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
