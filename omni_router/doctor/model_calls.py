"""Call models: one chat of 16 tokens by the cheapest provider, and, if it may cost more, one image."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from omni_router.config.settings import Settings
from omni_router.doctor.examination import REPORT, TIMEOUT, Examination, Outcome, compared
from omni_router.doctor.expected_answers import CHAT_EVENT
from omni_router.doctor.shapes import Comparison
from omni_router.errors import SpecialistError
from omni_router.hub.client import HubInference
from omni_router.hub.listing import ModelEntry, served_models
from omni_router.hub.wire import Exchange, watch

MAX_COST = 0.01  # US dollars for all checks without --full, of which only the chat costs anything
MAX_TOKENS = 16
_PROMPT_TOKENS = 64  # more than the question has with any template
_QUESTION = "Say hello."
_IMAGE, _DESCRIPTION, _IMAGE_SECONDS = "text-to-image", "a red circle on white", 120.0
_DATA = b"data:"
_PROVIDER_HEADER = "x-inference-provider"
_NO_TOKEN = Outcome("skipped", "it needs a token")


class _Offer(NamedTuple):
    model: str
    provider: str
    input_price: float
    output_price: float

    def cost(self, prompt: int, completion: int) -> float:
        """Return the price of a chat in US dollars."""
        return (self.input_price * prompt + self.output_price * completion) / 1_000_000


def check_chat(examination: Examination) -> Outcome:
    """Check one streamed chat, event by event."""
    if not examination.token:
        return _NO_TOKEN
    offer = _cheapest_offer(examination)
    if offer is None:
        return Outcome("skipped", "it needs a live offer with a price in the router's list, and there is none")
    if offer.cost(_PROMPT_TOKENS, MAX_TOKENS) > MAX_COST:
        return Outcome("skipped", f"the cheapest offer would cost more than {MAX_COST} US dollars")
    failure = None
    with watch() as exchanges:
        try:
            _stream(examination.token, offer)
        except SpecialistError as error:
            failure = error
    if failure is not None and failure.kind != "malformed_answer":
        raise failure
    if not exchanges or _DATA not in exchanges[-1].body:
        raise failure or RuntimeError("the client did not ask")
    return _outcome(exchanges[-1], offer)


def _cheapest_offer(examination: Examination) -> _Offer | None:
    offers = list(_priced_offers(examination.chat_models))
    return min(offers, key=lambda offer: offer.cost(_PROMPT_TOKENS, MAX_TOKENS), default=None)


def _priced_offers(models: Sequence[ModelEntry]) -> Iterator[_Offer]:
    for model in models:
        for provider in model["providers"]:
            input_price, output_price = provider.get("input_price"), provider.get("output_price")
            if input_price is not None and output_price is not None:
                yield _Offer(str(model["id"]), provider["provider"], input_price, output_price)


def _stream(token: str, offer: _Offer) -> None:
    """Have a chat that is streamed, as those of the graph are: a listener to LangChain's events sees to it."""
    settings = Settings(max_new_tokens=MAX_TOKENS, timeout=TIMEOUT)

    def chat(question: str) -> None:
        HubInference(token).chat(offer.model, offer.provider, [HumanMessage(question)], settings)

    async def listen() -> None:
        async for _ in RunnableLambda(chat).astream_events(_QUESTION, version="v2"):
            pass

    asyncio.run(listen())


def _outcome(exchange: Exchange, offer: _Offer) -> Outcome:
    """Compare the events of a stream with what they should be, and count what they cost."""
    comparison, events = Comparison(), list[Any]()
    try:
        events = exchange.events()
    except ValueError:
        comparison.note_text("", "JSON in each event", "something else")
    for event in events:
        CHAT_EVENT.compare(event, "", comparison)
    if _PROVIDER_HEADER not in exchange.headers:
        comparison.note_missing(f"the header {_PROVIDER_HEADER}", "the provider that answered")
    usage = _usage(events)
    if usage is None:
        comparison.note_missing("usage", "the tokens of prompt and answer in one event")
    content = _content(events)
    outcome = compared(
        comparison, f"{offer.model} at {offer.provider}: {len(events)} events with {content or 'nothing'}"
    )
    if outcome.status == "ok" and not content:
        outcome = Outcome("failed", outcome.summary, "Try again: the next model would be asked. " + REPORT)
    outcome.cost = offer.cost(*(usage or (_PROMPT_TOKENS, MAX_TOKENS)))
    return outcome


def _content(events: list[Any]) -> str:
    """Return what a stream holds, in words; a model that thinks first has no text within so few tokens."""
    found = set()
    for event in events:
        with suppress(LookupError, TypeError, AttributeError):  # an event of another shape, which is reported already
            choice = event["choices"][0]
            if choice["delta"].get("content"):
                return "some text"
            thought = choice["delta"].get("reasoning") or choice["delta"].get("reasoning_content")
            found.add(bool(thought) or choice.get("finish_reason") == "length")
    return "no text, as of a model that thinks first" if True in found else ""


def _usage(events: list[Any]) -> tuple[int, int] | None:
    for event in reversed(events):
        usage = event.get("usage") if isinstance(event, dict) else None
        if isinstance(usage, dict):
            tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(tokens[0], int) and isinstance(tokens[1], int):
                return tokens[0], tokens[1]
    return None


def check_image(examination: Examination) -> Outcome:
    """Check one image, by the first provider of the first model."""
    if not examination.token:
        return _NO_TOKEN
    models = [model for model in served_models(_IMAGE, None, TIMEOUT) if model["providers"] and not model["gated"]]
    if not models:
        return Outcome("skipped", "no open image model is served now")
    model, provider = str(models[0]["id"]), models[0]["providers"][0]["provider"]
    with watch() as exchanges:
        inference = HubInference(examination.token)
        image = inference.text_to_image(model, provider, _DESCRIPTION, Settings(timeout=_IMAGE_SECONDS))
    kinds = [exchange.headers.get("content-type", "?") for exchange in exchanges if exchange.status < 300]  # noqa: PLR2004
    return Outcome("ok", f"{model} at {provider}: {image.width} x {image.height} pixels, by way of {', '.join(kinds)}")
