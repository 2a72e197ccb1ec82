"""What the Hub says about models: plain JSON, as it can be kept on disk. One function for each question."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from typing_extensions import NotRequired, TypedDict

from omni_router.hub.session import INFERENCE_ROUTER, forget_providers, hub_call

CHAT = "conversational"  # what providers call both kinds of chat, with pictures and without
_ABSURD = 10**12  # no price and no number of tokens; JSON's numbers may have any number of digits
LIMIT = 20  # models a task: several times what a turn can try


class OfferEntry(TypedDict):
    """What one provider offers of a model; only the router's list of chat models has the details."""

    provider: str
    task: str  # in the providers' words
    context_length: NotRequired[int | None]  # tokens
    input_price: NotRequired[float | None]  # US dollars for a million tokens
    output_price: NotRequired[float | None]
    tools: NotRequired[bool | None]
    structured_output: NotRequired[bool | None]


class ModelEntry(TypedDict):
    """A model and who serves it live."""

    id: str | None  # the present one; None when this token cannot see the model
    offers: list[OfferEntry]
    gated: bool | None  # whether terms stand between this token and the model; None where nobody said
    task: NotRequired[str | None]  # the Hub's pipeline tag
    sees: NotRequired[bool | None]  # whether it can be shown pictures; None where nobody said
    created: NotRequired[int | None]  # seconds since 1970; None where nobody said
    public: NotRequired[bool]  # whether everyone is told the same


def served_models(task: str, token: str | None, timeout: float) -> list[ModelEntry]:
    """List the models of a task that some inference provider serves, trending first."""
    from huggingface_hub import HfApi

    with hub_call(token, timeout):
        found = HfApi(token=token or False).list_models(
            inference_provider="all",
            pipeline_tag=task,
            sort="trending_score",
            expand=["inferenceProviderMapping", "gated", "createdAt"],
            limit=LIMIT,
        )
        entries = [
            ModelEntry(
                id=info.id,
                offers=_live(info.inference_provider_mapping),
                gated=bool(info.gated),
                task=task,
                created=int(info.created_at.timestamp()) if info.created_at else None,
            )
            for info in islice(found, LIMIT)
        ]
    forget_providers()
    return entries


def chat_models(token: str | None, timeout: float) -> list[ModelEntry]:
    """List the models that the router of Inference Providers chats with: providers, prices, context lengths.

    Raises:
        ValueError: the answer is no such list.
    """
    from huggingface_hub import get_session

    with hub_call(token, timeout):
        response = get_session().get(f"https://{INFERENCE_ROUTER}/v1/models", timeout=timeout)
        response.raise_for_status()
        body = response.json()
    cards = body.get("data") if isinstance(body, dict) else None
    if not isinstance(cards, list):
        raise ValueError("the list of chat models has another shape than expected")  # noqa: TRY004 (of no type of ours)
    return [_card(card) for card in _dicts(cards) if isinstance(card.get("id"), str)]


def look_up(model: str, token: str | None, timeout: float) -> ModelEntry:
    """Tell what the Hub knows of one model: its present id, its task, who serves it, and whether this token may use it.

    `public` says that everyone is told the same.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import DisabledRepoError, GatedRepoError, RepositoryNotFoundError

    api, expand = HfApi(token=token or False), ["inferenceProviderMapping", "pipeline_tag", "gated", "private"]
    gated = False
    with hub_call(token, timeout):
        try:
            info = api.model_info(model, expand=expand, timeout=timeout)  # type: ignore[arg-type]
            if info.id != model:  # renamed; whether a redirect keeps the query is the server's affair
                info = api.model_info(info.id, expand=expand, timeout=timeout)  # type: ignore[arg-type]
            if info.gated:
                try:
                    api.auth_check(info.id)
                except GatedRepoError:
                    gated = True
        except (RepositoryNotFoundError, DisabledRepoError):
            return ModelEntry(id=None, offers=[], gated=None, public=False)
    forget_providers()
    return ModelEntry(
        id=info.id,
        offers=_live(info.inference_provider_mapping),
        gated=gated,
        task=info.pipeline_tag,
        public=not info.gated and not info.private,
    )


def _live(mapping: object) -> list[OfferEntry]:
    """Give the offers of a mapping that are live, one a provider, in the mapping's order."""
    live: dict[str, OfferEntry] = {}
    for entry in mapping if isinstance(mapping, list) else []:
        if entry.status == "live":
            live.setdefault(entry.provider, OfferEntry(provider=entry.provider, task=entry.task))
    return list(live.values())


def _card(card: dict[str, Any]) -> ModelEntry:
    architecture = card.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    offers = [_offer(each) for each in _dicts(card.get("providers")) if each.get("status") == "live"]
    sees = "image" in modalities if isinstance(modalities, list) else None
    created = card.get("created")
    known = isinstance(created, int) and created > 0  # some list 0 for what they do not know
    return ModelEntry(id=card["id"], offers=offers, gated=None, sees=sees, created=created if known else None)


def _offer(provider: dict[str, Any]) -> OfferEntry:
    prices, context = provider.get("pricing"), provider.get("context_length")
    prices = prices if isinstance(prices, dict) else {}
    return OfferEntry(
        provider=str(provider.get("provider")),
        task=CHAT,
        context_length=context if type(context) is int and 0 < context < _ABSURD else None,
        input_price=_price(prices.get("input")),
        output_price=_price(prices.get("output")),
        tools=_yes_or_no(provider.get("supports_tools")),
        structured_output=_yes_or_no(provider.get("supports_structured_output")),
    )


def _yes_or_no(found: object) -> bool | None:
    return found if isinstance(found, bool) else None


def _price(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found < _ABSURD else None


def _dicts(found: object) -> Iterable[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
