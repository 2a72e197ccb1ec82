"""The reply as a form: fixed text, and the places where the model chooses, in the words that it would use itself."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from omni_router.model_id import is_model_id
from omni_router.routers.arch.decoding import Choice, Decoder
from omni_router.routers.prompt import PromptForm
from omni_router.routers.protocol import Reply, RouteOption, RouteProbabilities
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[[str], Sequence[int]]

OPENING: dict[PromptForm, str] = {"json": '{"route": "', "trained": "{'route': '"}
# The text after a name tells it from a longer one that begins alike. Each piece begins and ends where the tokens of the
# whole reply do: a quote goes with the blank before it, and with the comma after it.
AFTER_ROUTE: dict[PromptForm, str] = {"json": '", "model":', "trained": "'}"}
AFTER_MODEL = ', "reason": "'
CLOSED_ID = '"'
MAX_ID_TOKENS = 48  # the Hub allows longer ids, which nobody uses

ID_PART = re.compile(r"[\w.-]+", re.ASCII)
ID_WITH_SLASH = re.compile(r"(?:\w[\w.-]*)?/[\w.-]*", re.ASCII)
ID_FIRST = re.compile(r"\w[\w.-]*(?:/[\w.-]*)?", re.ASCII)


class IdPattern:
    """The tokens of a vocabulary that a model id may consist of; built once, as a vocabulary is large."""

    def __init__(self, tokenizer: Any, size: int, closing: int) -> None:
        """Sort the vocabulary.

        Args:
            tokenizer: of the model.
            size: of the model's output, which may be larger than the vocabulary.
            closing: the token that ends the string.
        """
        self._texts: dict[int, str] = {number: text for text, number in tokenizer.get_vocab().items() if number < size}
        self._size, self._closing = size, closing
        self._part = self._mask(ID_PART)
        self._slash = self._mask(ID_WITH_SLASH)
        self._first = self._mask(ID_FIRST)

    def write(self, decoder: Decoder) -> str | None:
        """Generate an id and the closing quote, token by token, with a decoder that has read the opening quote.

        At each step only what keeps to `org/name` is allowed. Returns None when the id is not usable all the same.
        """
        text = ""
        for _ in range(MAX_ID_TOKENS):
            scores = decoder.next_scores()
            token = int(scores.masked_fill(~self._allowed(text), float("-inf")).argmax())
            decoder.append([token])
            if token == self._closing:
                break
            text += self._texts[token]
        return text if is_model_id(text) else None

    def _allowed(self, text: str) -> "Tensor":
        if not text:
            return self._first
        if "/" not in text:
            return self._part | self._slash
        allowed = self._part.clone()
        allowed[self._closing] = not text.endswith("/")
        return allowed

    def _mask(self, pattern: "re.Pattern[str]") -> "Tensor":
        import torch

        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[[number for number, text in self._texts.items() if pattern.fullmatch(text)]] = True
        return mask


@dataclass(frozen=True)
class ReplyForm:
    """The places to fill in: a route, in the `json` form a model of its candidates, and on request a reason."""

    routes: Sequence[RouteOption]
    form: PromptForm
    reason_tokens: int  # 0: no reason is written
    new_ids: IdPattern | None = None  # writes an id that is not among the candidates, if that is allowed

    def fill(self, decoder: Decoder, encode: Encode, stops: Any, decode: Callable[[Sequence[int]], str]) -> Reply:
        """Fill in the form with a decoder that has read the prompt and the opening."""
        names = [*map(attrgetter("name"), self.routes), OTHER]
        choice = decoder.choose(self._encoded(names, encode))
        answer: dict[str, Any] = {"route": names[choice.option]}
        reason = _certainty(choice)
        if self.form == "json":
            answer["model"] = self._model(decoder, encode, choice.option)
            if self.reason_tokens:
                # A token that ends the reason may begin with its full stop.
                written = decode(decoder.write(stops, self.reason_tokens)).partition('"')[0].strip()
                reason = written or reason
        return Reply(json.dumps({**answer, "reason": reason}, ensure_ascii=False), round(choice.probability, 4))

    def probabilities(self, decoder: Decoder, encode: Encode) -> RouteProbabilities:
        """Return how probable each route is, with a decoder that has read the prompt and the opening."""
        names = list(map(attrgetter("name"), self.routes))
        *of_routes, other = decoder.probabilities(self._encoded([*names, OTHER], encode))
        total = math.fsum(of_routes)
        if not total:  # a model so sure of `other` tells nothing about the routes
            return RouteProbabilities((1 / len(names),) * len(names), 1 - other)
        return RouteProbabilities(tuple(share / total for share in of_routes), 1 - other)

    def _encoded(self, names: Sequence[str], encode: Encode) -> list[Sequence[int]]:
        """Return the tokens of each name, and of what follows it."""
        return [encode(_inside_quotes(name) + AFTER_ROUTE[self.form]) for name in names]

    def _model(self, decoder: Decoder, encode: Encode, route: int) -> str | None:
        no_model = encode(f" null{AFTER_MODEL}")
        if route == len(self.routes):  # `other` has no model
            decoder.append(no_model)
            return None
        if self.new_ids is not None:
            if decoder.choose([no_model, encode(' "')]).option == 0:
                return None
            model = self.new_ids.write(decoder)
            decoder.append(encode(CLOSED_ID + AFTER_MODEL)[1:])  # the pattern has written the first of them
            return model
        models = self.routes[route].candidates
        if not models:
            decoder.append(no_model)
            return None
        return models[decoder.choose([encode(f' "{model}"{AFTER_MODEL}') for model in models]).option]


def _inside_quotes(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)[1:-1]


def _certainty(choice: Choice) -> str:
    return f"{choice.probability:.0%} sure, the next at most {choice.runner_up:.0%}"
