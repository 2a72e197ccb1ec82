"""What the wire said: every answer to this process's client, recorded, and the bill that follows from it alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import httpx

from omni_router._sandbox import Sandbox
from tests.support.hub_client import hub_client

CHAT_PATHS = ("/v1/chat/completions",)
MODELS_PATH = "/v1/models"


@dataclass
class Answer:
    """A request of the client, and the whole answer to it."""

    request: httpx.Request
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def model(self) -> str:
        return str(json.loads(self.request.content)["model"]).partition(":")[0]

    def usage(self) -> dict[str, Any] | None:
        """The last count of tokens in the answer, plain or streamed."""
        frames = [self.body]
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.body.splitlines()
            frames = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: {")]
        counts: list[Any] = [json.loads(frame).get("usage") for frame in frames]
        reported: list[dict[str, Any]] = list(filter(None, counts))
        return reported[-1] if reported else None


@dataclass
class Wire(httpx.BaseTransport):
    """Passes everything on to the sandbox, and keeps what it answers."""

    box: Sandbox
    answers: list[Answer] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self.box.transport.handle_request(request)
        try:
            body = response.read()
        except httpx.HTTPError:
            body = b""
            raise
        finally:
            self.answers.append(Answer(request, response.status_code, response.headers, body))
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def chats(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.request.url.path in CHAT_PATHS]

    def prices(self, model: str) -> dict[str, tuple[Fraction, Fraction]]:
        """The prices of a model by provider, in dollars for a token, from the newest list."""
        [*_, listing] = [each.body for each in self.answers if each.request.url.path == MODELS_PATH]
        prices: dict[str, tuple[Fraction, Fraction]] = {}
        for entry in json.loads(listing, parse_float=Fraction)["data"]:
            for offer in entry["providers"]:
                if entry["id"] == model and offer["status"] == "live" and "pricing" in offer:
                    price = offer["pricing"]
                    prices[offer["provider"]] = (Fraction(price["input"], 10**6), Fraction(price["output"], 10**6))
        return prices

    def bills(self) -> list[Fraction | None]:
        """The cost of each chat in dollars, exactly, from the usage and the prices that the wire reported."""
        bills: list[Fraction | None] = []
        for chat in self.chats():
            usage, price = chat.usage(), self.prices(chat.model).get(chat.headers.get("x-inference-provider", ""))
            if usage is None or price is None:
                bills.append(None)
            else:
                bills.append(usage["prompt_tokens"] * price[0] + usage["completion_tokens"] * price[1])
        return bills


@contextmanager
def recorded(box: Sandbox) -> Iterator[Wire]:
    """Record what the client of this process gets."""
    wire = Wire(box)
    with hub_client(wire):
        yield wire


def dollars(bill: Fraction | None) -> float | None:
    """A bill as it should be shown."""
    return None if bill is None else float(bill)
