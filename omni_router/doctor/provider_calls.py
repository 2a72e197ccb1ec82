"""Ask each provider that the policy declares: which models it lists, and for one chat of 16 tokens."""

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from omni_router.config.own_providers import OwnProvider
from omni_router.config.settings import Settings
from omni_router.doctor.examination import TIMEOUT, Check, Examination, Outcome
from omni_router.error_kinds import CUT_AT_START, hint_for
from omni_router.errors import SpecialistError
from omni_router.hints import COMMAND
from omni_router.hub.client import HubInference
from omni_router.hub.errors import cause_of
from omni_router.hub.http import httpx
from omni_router.own_models.address import list_models
from omni_router.own_models.discovery import read_list
from omni_router.own_models.joined_inference import JoinedInference
from omni_router.own_models.specialists import OwnModels, OwnSpecialist
from omni_router.simulation import is_simulated

MAX_TOKENS = 16
_QUESTION = "Say hello."


def provider_checks(providers: Iterable[OwnProvider]) -> Iterator[Check]:
    """Yield a check for each provider of a policy."""
    for provider in providers:
        question = "GET /v1/models, and POST /v1/chat/completions: 16 tokens, streamed, at a provider of the policy"
        yield Check(provider.name, question, partial(check_provider, provider))


def check_provider(provider: OwnProvider, _examination: Examination) -> Outcome:
    """Check that a provider lists its models, and that one of them answers."""
    if not provider.address:
        return Outcome("failed", "it cannot be used as the policy declares it", "omni-router --check says why.")
    if is_simulated() and not provider.is_loopback:
        return Outcome("skipped", "the sandbox calls only providers on this machine")
    try:
        return _ask(provider)
    except httpx.HTTPError as error:
        summary = f"{provider.name} did not list its models ({cause_of(error)})"
        return Outcome("failed", summary, "Start its server, or correct its address in the policy.")
    except ValueError as error:  # no key, or another form of list
        return Outcome("failed", str(error), "Correct the provider in the policy.")


def _ask(provider: OwnProvider) -> Outcome:
    """Ask a provider for its models, and the first one for a few words.

    Raises:
        httpx.HTTPError: the models could not be listed.
        ValueError: there is no key, or the list has another form.
    """
    listed = read_list(list_models(provider, TIMEOUT))
    models = OwnModels(lambda: (provider,)).all()
    if not models:
        return Outcome("failed", f"{provider.name} has no models", "Load one there, or name some in `models`.")
    first = next(iter(models.values()))
    try:
        _chat(provider, first)
    except SpecialistError as error:
        if error.cause != CUT_AT_START:  # a model that thinks first has no text within so few tokens
            hint = hint_for(error.kind, COMMAND, error.cause)
            return Outcome("failed", f"{first.id}: {error.kind}: {error.detail or error.cause}", hint)
    summary = f"{len(listed)} models are listed, {len(models)} can be called; {first.id} has answered"
    return Outcome("ok", summary)


def _chat(provider: OwnProvider, specialist: OwnSpecialist) -> None:
    """Have a chat that is streamed, as those of the graph are: a listener to LangChain's events sees to it."""
    inference = JoinedInference(HubInference(), OwnModels(lambda: (provider,)))
    settings = Settings(max_new_tokens=MAX_TOKENS, timeout=TIMEOUT)

    def chat(question: str) -> None:
        inference.chat(specialist.id, None, [HumanMessage(question)], settings)

    async def listen() -> None:
        async for _ in RunnableLambda(chat).astream_events(_QUESTION, version="v2"):
            pass

    asyncio.run(listen())
