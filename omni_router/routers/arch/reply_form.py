"""The reply as a form: what is fixed, and where the model chooses; in the words that it would use itself."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omni_router.routers.arch.decoding import Choice, Reader
from omni_router.routers.arch.id_pattern import IdPattern
from omni_router.routers.prompt import PromptForm
from omni_router.routers.protocol import Reply, RouteOption
from omni_router.tasks import OTHER

Encode = Callable[[str], Sequence[int]]

OPENING: dict[PromptForm, str] = {"json": '{"route": "', "trained": "{'route': '"}
# What follows a name tells it from a longer one that begins alike. Each piece begins and ends where the tokens of the
# whole reply do: a quote goes with the blank before it, and with the comma after it.
AFTER_ROUTE: dict[PromptForm, str] = {"json": '", "model":', "trained": "'}"}
AFTER_MODEL = ', "reason": "'
CLOSED_ID = '"'


@dataclass(frozen=True)
class Form:
    """What is filled in: a route, in the `json` form a model of its candidates, and at will a reason."""

    routes: Sequence[RouteOption]
    form: PromptForm
    reason_tokens: int  # 0: none is written
    new_ids: IdPattern | None = None  # how an id that is not on offer is written, if that is allowed

    def fill(self, reader: Reader, encode: Encode, stops: Any, decode: Callable[[Sequence[int]], str]) -> Reply:
        """Have the form filled in by a reader that has read the prompt and the opening."""
        names = [*(route.name for route in self.routes), OTHER]
        chosen = reader.choose([encode(_inside_quotes(name) + AFTER_ROUTE[self.form]) for name in names])
        answer: dict[str, Any] = {"route": names[chosen.place]}
        reason = _as_words(chosen)
        if self.form == "json":
            answer["model"] = self._model(reader, encode, chosen.place)
            if self.reason_tokens:
                # A token that ends the reason may begin with its full stop.
                reason = decode(reader.write(stops, self.reason_tokens)).partition('"')[0].strip() or reason
        return Reply(json.dumps({**answer, "reason": reason}, ensure_ascii=False), round(chosen.probability, 4))

    def _model(self, reader: Reader, encode: Encode, route: int) -> str | None:
        models = self.routes[route].candidates if route < len(self.routes) else ()
        none = encode(f" null{AFTER_MODEL}")
        if self.new_ids and route < len(self.routes):
            if reader.choose([none, encode(' "')]).place == 0:
                return None
            model = self.new_ids.write(reader)
            reader.append(encode(CLOSED_ID + AFTER_MODEL)[1:])  # the pattern has written the first of them
            return model
        if not models:
            reader.append(none)
            return None
        return models[reader.choose([encode(f' "{model}"{AFTER_MODEL}') for model in models]).place]


def _inside_quotes(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)[1:-1]


def _as_words(chosen: Choice) -> str:
    return f"{chosen.probability:.0%} sure, the next at most {chosen.runner_up:.0%}"
