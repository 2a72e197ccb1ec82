"""What the Hub says about models: plain JSON, as it can be kept on disk. One function for each question."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from omni_router.inference.hub_call import INFERENCE_ROUTER, forget_providers, hub_call

_EXPAND: Any = ["inferenceProviderMapping", "pipeline_tag", "gated", "private"]

LIMIT = 20  # models a task: several times what a turn can try


def served_models(task: str, token: str | None, timeout: float) -> list[dict[str, Any]]:
    """List the models of a task that some inference provider serves, trending first."""
    from huggingface_hub import HfApi

    forget_providers()  # the client's own memory of who serves a model is not to be older than this answer
    with hub_call(token, timeout):
        found = HfApi(token=token or False).list_models(
            inference_provider="all",
            pipeline_tag=task,
            sort="trending_score",
            expand=["inferenceProviderMapping"],
            limit=LIMIT,
        )
        return [
            {"id": info.id, "offers": _live(info.inference_provider_mapping), "sees": None}
            for info in islice(found, LIMIT)
        ]


def chat_models(token: str | None, timeout: float) -> list[dict[str, Any]]:
    """List the models that the router of Inference Providers chats with: providers, prices, context lengths."""
    from huggingface_hub import get_session

    with hub_call(token, timeout):
        response = get_session().get(f"https://{INFERENCE_ROUTER}/v1/models", timeout=timeout)
        response.raise_for_status()
        body = response.json()
    cards = body.get("data") if isinstance(body, dict) else None
    if not isinstance(cards, list):
        raise TypeError("the list of chat models has another shape than expected")
    return [_card(card) for card in cards if isinstance(card, dict) and isinstance(card.get("id"), str)]


def look_up(model: str, token: str | None, timeout: float) -> dict[str, Any]:
    """Tell what the Hub knows of one model: its present id, its task, who serves it, and whether this token may use it.

    `public` says that everyone is told the same. A model that this token cannot see has the id None.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    api = HfApi(token=token or False)
    forget_providers()  # the client's own memory of who serves a model is not to be older than this answer
    with hub_call(token, timeout):
        try:
            info = api.model_info(model, expand=_EXPAND, timeout=timeout)
            if info.id != model:  # renamed; whether a redirect keeps the query is the server's affair
                info = api.model_info(info.id, expand=_EXPAND, timeout=timeout)
        except RepositoryNotFoundError:
            return {"id": None, "public": False}
        found = {
            "id": info.id,
            "task": info.pipeline_tag,
            "offers": _live(info.inference_provider_mapping),
            "gated": bool(info.gated),
            "public": not info.gated and not info.private,
        }
        if info.gated:
            try:
                api.auth_check(info.id)
                found["gated"] = False  # not for this token
            except GatedRepoError:
                pass
        return found


def _live(mapping: object) -> list[dict[str, Any]]:
    """Give the offers of a mapping that are live, one a provider."""
    entries = mapping if isinstance(mapping, list) else []
    live = {entry.provider: entry.task for entry in reversed(entries) if entry.status == "live"}
    return [{"provider": provider, "task": task} for provider, task in reversed(live.items())]


def _card(card: dict[str, Any]) -> dict[str, Any]:
    architecture = card.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    offers = [_offer(each) for each in _dicts(card.get("providers")) if each.get("status") == "live"]
    return {"id": card["id"], "offers": offers, "sees": "image" in modalities if isinstance(modalities, list) else None}


def _offer(provider: dict[str, Any]) -> dict[str, Any]:
    pricing = provider.get("pricing")
    prices = pricing if isinstance(pricing, dict) else {}
    return {
        "provider": str(provider.get("provider")),
        "task": "conversational",
        "context_length": provider.get("context_length"),
        "input_price": prices.get("input"),
        "output_price": prices.get("output"),
        "tools": provider.get("supports_tools"),
    }


def _dicts(found: Any) -> Iterable[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
