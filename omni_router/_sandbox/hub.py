"""The Hub's answers about the models of the sandbox, and those of the router of Inference Providers."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from omni_router._sandbox import boards
from omni_router._sandbox.faults import Fault
from omni_router._sandbox.models import MAPPING, MODELS_PATH, ROUTER_CHECKPOINT, Model, offers_of, provider_id

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

CHAT_MODELS_PATH = "/v1/models"  # a path on the router's host
WHO_AM_I_PATH = "/api/whoami-v2"
_AUTH_CHECK = "/auth-check"
WRONG_TOKEN = "hf_wrong"  # noqa: S105 (refused, so that a wrong token can be tried)
PROVIDERS_PERMISSION = "inference.serverless.write"  # the name of "Make calls to Inference Providers"
CREATED = "2025-01-01T00:00:00.000Z"  # the date of every model


def answer(
    request: "httpx.Request", models: Mapping[str, Model], mapping_fault: Callable[[str], Fault | None]
) -> "httpx.Response":
    """Answer a request to the Hub; `mapping_fault` says what goes wrong when the client asks who serves a model."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    from omni_router.hub.http import httpx

    path = request.url.path
    if path == MODELS_PATH:
        return httpx.Response(200, json=_list_models(models, request.url.params))
    if path == WHO_AM_I_PATH:
        return _who_am_i(request)
    if path.startswith(boards.DATASETS_PATH):
        return boards.answer_hub(request, models)
    model = path.removeprefix(f"{MODELS_PATH}/")
    if model.endswith(_AUTH_CHECK):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return _check_access(models.get(model.removesuffix(_AUTH_CHECK)), token)
    if model == path or model.count("/") > 1:
        # With this error, a file that was downloaded before is taken from the cache, not reported as missing.
        raise OfflineModeIsEnabled(f"Cannot reach {request.url}: the sandbox is active, and it holds no files.")
    expand = request.url.params.get_list("expand")
    if model == ROUTER_CHECKPOINT and not expand:
        return httpx.Response(200, json=_checkpoint_card(models[model]))
    return _answer_about(model, models.get(model), expand, mapping_fault)


def _who_am_i(request: "httpx.Request") -> "httpx.Response":
    """Describe the owner of a token, and a fine-grained token that may call Inference Providers."""
    from omni_router.hub.http import httpx

    if is_wrong_token(request.headers.get("authorization", "").removeprefix("Bearer ")):
        return httpx.Response(401, json={"error": "Invalid username or password."})
    user = {"_id": f"{1:024x}", "type": "user", "name": "sandbox"}
    allowed = {"entity": {**user, "type": "user"}, "permissions": ["repo.content.read", PROVIDERS_PERMISSION]}
    token = {
        "displayName": "sandbox",
        "role": "fineGrained",
        "createdAt": CREATED,
        "fineGrained": {"canReadGatedRepos": True, "global": [], "scoped": [allowed]},
    }
    auth = {"type": "access_token", "accessToken": token}
    return httpx.Response(200, json={**user, "fullname": "Sandbox", "isPro": False, "orgs": [], "auth": auth})


def is_wrong_token(token: str) -> bool:
    """Return whether a token is refused: all that start with hf_ are accepted, but one."""
    return not token.startswith("hf_") or token == WRONG_TOKEN


def _checkpoint_card(entry: Model) -> dict[str, Any]:
    return {
        "id": ROUTER_CHECKPOINT,
        "private": False,
        "gated": "auto" if entry.gated else False,
        "pipeline_tag": entry.task,
        "tags": ["transformers", "license:other"],
        "lastModified": CREATED,
        "cardData": {"license": "other", "license_name": "katanemo-research"},
        "siblings": [{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}],
    }


def _answer_about(
    model: str, entry: Model | None, expand: list[str], mapping_fault: Callable[[str], Fault | None]
) -> "httpx.Response":
    from omni_router.hub.http import httpx

    if entry is None:
        headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
        return httpx.Response(404, json={"error": "Repository not found"}, headers=headers)
    if entry.renamed_to:
        return httpx.Response(307, headers={"location": f"{MODELS_PATH}/{entry.renamed_to}"})
    if entry.unknowable and "gated" in expand:
        return httpx.Response(422, json={"error": "The Hub cannot answer. (simulated)"})
    fault = None
    if expand == [MAPPING]:  # the client asks who serves the model
        fault = mapping_fault(model)
    return httpx.Response(200, json=_describe(model, entry, expand, fault))


def _describe(model: str, entry: Model, expand: list[str], fault: Fault | None) -> dict[str, Any]:
    """Describe a single model: all of it, or the properties in `expand`, with what is wrong with its mapping."""
    if not expand:
        return {"id": model, "pipeline_tag": entry.task, "tags": _tags(entry), "siblings": []}
    info = _expand(model, entry, expand)
    if fault is not None:
        return {**info, MAPPING: fault.body}
    mapping = info.pop(MAPPING, None)
    if mapping is not None:
        # About a single model the Hub returns an object keyed by provider.
        info[MAPPING] = {provider.pop("provider"): provider for provider in mapping}
    return info


def _tags(entry: Model) -> list[str]:
    """Return the tags of a model: sentence encoders have those of both tasks that embed texts."""
    if entry.task == "sentence-similarity":
        return [entry.task, "feature-extraction"]
    return [entry.task]


def _check_access(entry: Model | None, token: str) -> "httpx.Response":
    from omni_router.hub.http import httpx

    if entry is None:
        status, code, text = 404, "RepoNotFound", "Not found"
    elif entry.gated and token not in entry.open_to:
        status, code, text = 403, "GatedRepo", "Access to this model is restricted"
    else:
        return httpx.Response(200, json={})
    headers = {"X-Error-Code": code, "X-Error-Message": f"{text}. (simulated)"}
    return httpx.Response(status, json={"error": text}, headers=headers)


def _list_models(models: Mapping[str, Model], params: "httpx.QueryParams") -> list[dict[str, Any]]:
    """Return the listed models that a provider serves, restricted to a task and a provider if these are named."""
    task, provider = params.get("pipeline_tag"), params.get("inference_provider", "all")
    expand = params.get_list("expand")
    entries = []
    for model, entry in models.items():
        if not entry.listed or not entry.providers:
            continue
        if task not in (None, entry.task) or provider not in ("all", *entry.providers):
            continue
        if expand:
            entries.append(_expand(model, entry, expand))
        else:
            entries.append({"id": model, "pipeline_tag": entry.task, "tags": _tags(entry)})
    return entries[: int(params.get("limit", len(entries)))]


def _expand(model: str, entry: Model, properties: list[str]) -> dict[str, Any]:
    """Return the id of a model and these properties, in the order in which the Hub sends them."""
    known: dict[str, Any] = {
        "pipeline_tag": entry.task,
        "gated": "auto" if entry.gated else False,
        "private": False,
        "createdAt": CREATED,
        MAPPING: _mapping(model, entry),
    }
    info: dict[str, Any] = {"id": model}
    info.update((name, value) for name, value in known.items() if name in properties)
    return info


def _mapping(model: str, entry: Model) -> list[dict[str, Any]] | None:
    """Return who serves a model; in a list of models the mapping is an array."""
    if entry.providers is None:
        return None
    return [
        {
            "provider": offer.provider,
            "providerId": provider_id(model, offer.provider),
            "status": offer.status,
            "task": entry.provider_task,
            "type": "single-model",
        }
        for offer in offers_of(model, entry)
    ]


def chat_models(models: Mapping[str, Model]) -> dict[str, Any]:
    """Return what the router of Inference Providers lists: the chat models that a provider serves."""
    entries = []
    for model, entry in models.items():
        if entry.listed and entry.providers and entry.provider_task == "conversational":
            entries.append(_chat_model(model, entry))
    return {"object": "list", "data": entries}


def _chat_model(model: str, entry: Model) -> dict[str, Any]:
    modalities = ["text"]
    if entry.task == "image-text-to-text":
        modalities.append("image")
    return {
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": model.partition("/")[0],
        "architecture": {"input_modalities": modalities, "output_modalities": ["text"]},
        "providers": [offer.as_json() for offer in offers_of(model, entry)],
    }
