"""The `decision` router: a decision model chooses the route, with the routes as the choices of one question.

The model is one of LangChain's, in this process, or a service that speaks OpenAI's `/v1/decisions` (see `client`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from omni_router.errors import ConfigurationError, EndpointFailed, missing_package
from omni_router.routers.budget import fit
from omni_router.routers.protocol import BaseRouter, Reply, RouteOption, Turn
from omni_router.routers.semantic.judgement import first_candidate
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from langchain_core.decisions import BaseDecisionModel

QUESTION = "route"
INSTRUCTIONS = "Which of these does the newest message of the user ask for, read in the light of the conversation?"
NONE_FITS = "None of the others fits, or nothing is asked for."
# As with `endpoint`: more talk than a choice needs is paid for by the token. Estimated at three bytes a token.
MAX_TOKENS = 4096
_BYTES_A_TOKEN = 3


class Verdict(NamedTuple):
    """The choice of a decision model."""

    choice: str | None  # None: it declined to answer
    confidence: float | None


@runtime_checkable
class Decider(Protocol):
    """Anything that chooses one of a few labels."""

    model: str

    @property
    def title(self) -> str:
        """What answers, as messages name it."""
        ...

    def decide(self, conversation: Sequence[Turn], criteria: Mapping[str, str]) -> Verdict:
        """Choose one of the criteria's labels for the newest request of a conversation.

        Raises:
            EndpointFailed: there is no answer.
        """
        ...


class DecisionRouter(BaseRouter):
    """Asks a decision model which route fits; the model to call is the route's first candidate."""

    def __init__(self, model: "BaseDecisionModel | Decider") -> None:
        """Keep the model: one of LangChain's, or a `DecisionClient`; nothing is asked yet."""
        if isinstance(model, Decider):
            self._decider: Decider = model
        else:
            self._decider = LocalDecider(model)
        self.model = model.model

    @property
    def title(self) -> str:
        """The decision model as messages name it."""
        return self._decider.title

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the model's choice and its confidence.

        Raises:
            EndpointFailed: the model fails, declines, or chooses something that was not among the choices.
            ConfigurationError: the routes alone are longer than what is sent.
        """
        criteria = {route.name: route.description for route in routes}
        criteria[OTHER] = NONE_FITS
        frame = json.dumps(criteria)
        turns = fit(conversation, MAX_TOKENS, lambda turns: _estimated_tokens(frame, turns))
        verdict = self._decider.decide(turns, criteria)
        if verdict.choice is None:
            raise EndpointFailed("refused", "it declined to answer")
        if verdict.choice not in criteria:
            raise EndpointFailed("invalid_reply", "it chose none of the routes")
        answer = {
            "route": verdict.choice,
            "model": first_candidate(verdict.choice, routes),
            "reason": f"chosen by {self.model}",
        }
        return Reply(json.dumps(answer, ensure_ascii=False), verdict.confidence)


class LocalDecider:
    """A decision model of LangChain."""

    def __init__(self, model: "BaseDecisionModel") -> None:
        self._model = model
        self.model = model.model

    @property
    def title(self) -> str:
        """The class of the model."""
        return f"decision model {type(self._model).__name__}"

    def decide(self, conversation: Sequence[Turn], criteria: Mapping[str, str]) -> Verdict:
        """Choose one of the criteria's labels.

        Raises:
            ConfigurationError: the model cannot be used, or LangChain is too old to have decision models.
            EndpointFailed: the model fails; the message leaves out its own, which may quote the request.
        """
        try:
            from langchain_core.decisions import Choice
            from langchain_core.exceptions import ModelRefusalError
        except ImportError as error:
            raise missing_package("decision models need langchain-core 1.8", "agents") from error
        question = Choice(instructions=INSTRUCTIONS, criteria={**criteria})
        state: list[Any] = [dict(turn) for turn in conversation]
        try:
            response = self._model.invoke({"state": state, "questions": {QUESTION: question}})
            answer = response.choices[QUESTION]
        except ConfigurationError:
            raise
        except ModelRefusalError:
            return Verdict(None, None)
        except Exception as error:
            raise EndpointFailed("outage", f"it failed with {type(error).__name__}") from error
        return Verdict(answer.choice, answer.confidence)


def _estimated_tokens(frame: str, turns: Sequence[Turn]) -> int:
    length = len(frame.encode())
    for turn in turns:
        length += len(turn["content"].encode(errors="surrogatepass"))
    return length // _BYTES_A_TOKEN
