"""The Hub's answers about models, as plain JSON that can be cached on disk. One function per query."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from typing_extensions import NotRequired, TypedDict

from omni_router.hub.session import INFERENCE_ROUTER, forget_providers, hub_session

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

CHAT = "conversational"  # the providers' name of both kinds of chat, with images and without
LIMIT = 100  # models a task, in one request: strong ones may be far down in what is trending
_ABSURD = 10**12  # larger than any price, speed or number of tokens; JSON's numbers may have any number of digits


class ProviderJson(TypedDict):
    """One provider of a model; only the router's list of chat models has the details."""

    provider: str
    task: str  # the providers' name of the task
    context_length: NotRequired[int | None]  # tokens
    input_price: NotRequired[float | None]  # US dollars for a million tokens
    output_price: NotRequired[float | None]
    tools: NotRequired[bool | None]
    structured_output: NotRequired[bool | None]
    is_free: NotRequired[bool | None]
    first_token_latency_ms: NotRequired[float | None]
    throughput: NotRequired[float | None]  # tokens a second


class ModelEntry(TypedDict):
    """A model and its live providers. A change of its keys needs another number in `storage.sqlite.TABLE`."""

    id: str | None  # the present one; None when this token cannot see the model
    providers: list[ProviderJson]
    gated: bool | None  # whether terms stand between this token and the model; None where the list does not say
    task: NotRequired[str | None]  # the Hub's pipeline tag
    takes_images: NotRequired[bool | None]  # None where the list does not say
    created: NotRequired[int | None]  # seconds since 1970; None where the list does not say
    public: NotRequired[bool]  # whether everyone gets the same answer
    down: NotRequired[list[str]]  # the providers that the router knows to be out of order


def served_models(task: str, token: str | None, timeout: float) -> list[ModelEntry]:
    """List the models of a task that some inference provider serves, trending first."""
    from huggingface_hub import HfApi

    with hub_session(token, timeout):
        models = HfApi(token=token or False).list_models(
            inference_provider="all",
            pipeline_tag=task,
            sort="trending_score",
            expand=["inferenceProviderMapping", "gated", "createdAt"],
            limit=LIMIT,
        )
        entries = [_read_listed_model(info, task) for info in islice(models, LIMIT)]
    forget_providers()
    return entries


def _read_listed_model(info: "ModelInfo", task: str) -> ModelEntry:
    created = int(info.created_at.timestamp()) if info.created_at else None
    providers = _live_providers(info.inference_provider_mapping)
    return ModelEntry(id=info.id, providers=providers, gated=bool(info.gated), task=task, created=created)


def chat_models(token: str | None, timeout: float) -> list[ModelEntry]:
    """List the models that the router of Inference Providers chats with: providers, prices, context lengths.

    Raises:
        ValueError: the answer is not such a list.
    """
    from huggingface_hub import get_session

    with hub_session(token, timeout):
        response = get_session().get(f"https://{INFERENCE_ROUTER}/v1/models", timeout=timeout)
        response.raise_for_status()
        body = response.json()
    models = body.get("data") if isinstance(body, dict) else None
    if not isinstance(models, list):
        raise ValueError("the list of chat models does not have the expected shape")  # noqa: TRY004 (of no type of ours)
    return [read_chat_model(model) for model in _dicts(models) if isinstance(model.get("id"), str)]


def look_up_model(model: str, token: str | None, timeout: float) -> ModelEntry:
    """Return what the Hub knows of one model: its present id, task, providers, and whether this token may use it.

    `public` says that everyone gets the same answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import DisabledRepoError, GatedRepoError, RepositoryNotFoundError

    api, expand = HfApi(token=token or False), ["inferenceProviderMapping", "pipeline_tag", "gated", "private"]
    gated = False
    with hub_session(token, timeout):
        try:
            info = api.model_info(model, expand=expand, timeout=timeout)  # type: ignore[arg-type]
            if info.id != model:  # renamed; whether a redirect keeps the query is up to the server
                info = api.model_info(info.id, expand=expand, timeout=timeout)  # type: ignore[arg-type]
            if info.gated:
                try:
                    api.auth_check(info.id)
                except GatedRepoError:
                    gated = True
        except (RepositoryNotFoundError, DisabledRepoError):
            return ModelEntry(id=None, providers=[], gated=None, public=False)
    forget_providers()
    return ModelEntry(
        id=info.id,
        providers=_live_providers(info.inference_provider_mapping),
        gated=gated,
        task=info.pipeline_tag,
        public=not info.gated and not info.private,
    )


def read_chat_model(model: dict[str, Any]) -> ModelEntry:
    """Read one model of the router's list, without what is not of the expected type."""
    modalities = _dict(model.get("architecture")).get("input_modalities")
    takes_images: bool | None = None
    if isinstance(modalities, list):
        takes_images = "image" in modalities
    created = model.get("created")
    if not isinstance(created, int) or created <= 0:  # some list 0 for what they do not know
        created = None
    live: list[ProviderJson] = []
    down: list[str] = []
    for provider in _dicts(model.get("providers")):
        if provider.get("status") == "live":
            live.append(_read_provider(provider))
        else:
            down.append(str(provider.get("provider")))
    return ModelEntry(id=model["id"], providers=live, gated=None, takes_images=takes_images, created=created, down=down)


def _live_providers(mapping: object) -> list[ProviderJson]:
    """Return the live providers of a mapping, each once, in the mapping's order."""
    live: dict[str, ProviderJson] = {}
    if isinstance(mapping, list):
        for entry in mapping:
            if entry.status == "live":
                live.setdefault(entry.provider, ProviderJson(provider=entry.provider, task=entry.task))
    return list(live.values())


def _read_provider(provider: dict[str, Any]) -> ProviderJson:
    prices = _dict(provider.get("pricing"))
    return ProviderJson(
        provider=str(provider.get("provider")),
        task=CHAT,
        context_length=_count(provider.get("context_length")),
        input_price=_price(prices.get("input")),
        output_price=_price(prices.get("output")),
        tools=_yes_or_no(provider.get("supports_tools")),
        structured_output=_yes_or_no(provider.get("supports_structured_output")),
        is_free=_yes_or_no(provider.get("is_free")),
        first_token_latency_ms=_positive(provider.get("first_token_latency_ms")),
        throughput=_positive(provider.get("throughput")),
    )


def _yes_or_no(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < _ABSURD else None


def _price(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _ABSURD:
        return None
    return float(value)


def _positive(value: object) -> float | None:
    """Return a measured figure; nothing takes no time, so that 0 means that it was not measured."""
    return _price(value) or None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(values: object) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (each for each in values if isinstance(each, dict))
