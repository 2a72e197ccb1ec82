"""The models of the sandbox, who serves them, and the Hub's answers about them."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from omni_router._sandbox.traits import traits_of

if TYPE_CHECKING:
    from omni_router._sandbox.box import Sandbox
    from omni_router.hub.http import httpx

MODELS_PATH = "/api/models"
CHAT_MODELS_PATH = "/v1/models"  # on the router's host
_AUTH_CHECK = "/auth-check"
CREATED = "2025-01-01T00:00:00.000Z"  # of every model

_ID = re.compile(r"sandbox/([a-z]+(?:-[a-z]+)*)-\d+")
_CHAT_PROVIDERS = (("together", "fireworks-ai"), ("novita",), ("fireworks-ai", "together"))
# The ways in which providers hand over a picture: raw bytes, base64 in JSON, an address to fetch.
_PICTURE_PROVIDERS = (("hf-inference",), ("together",), ("fal-ai",))


@dataclass(frozen=True)
class Model:
    """One model; `providers` is None without a mapping, and empty with one that names nobody."""

    task: str  # the Hub's pipeline_tag
    providers: tuple[str, ...] | None
    listed: bool = False  # the catalog names it
    tools_at: tuple[str, ...] | None = None  # who takes tools, and keeps to a schema; None: the first provider
    gated: bool = False  # terms have to be accepted first
    open_to: tuple[str, ...] = ()  # the tokens of those who have
    renamed_to: str | None = None
    unknowable: bool = False  # the catalog gets no answer about it, and the client does

    @property
    def provider_task(self) -> str:
        """The task by the name that providers give it: chat models of both kinds are conversational."""
        return "conversational" if self.task in ("text-generation", "image-text-to-text") else self.task

    def takes_tools(self, provider: str) -> bool:
        """Tell whether a provider of the model takes tools, and keeps to a JSON schema."""
        return provider in (self.tools_at if self.tools_at is not None else (self.providers or ())[:1])


def shipped_models() -> dict[str, Model]:
    """Make the models that every sandbox starts with."""
    models = {
        "sandbox/text-to-image-4": Model("text-to-image", ("replicate",)),
        "sandbox/image-to-text-1": Model("image-to-text", ("hf-inference",)),
    }
    for task in ("text-generation", "image-text-to-text", "text-to-image"):
        table = _PICTURE_PROVIDERS if task == "text-to-image" else _CHAT_PROVIDERS
        for number, providers in enumerate(table, start=1):
            models[f"sandbox/{task}-{number}"] = Model(task, providers, listed=True)
        models[f"sandbox/{task}-7"] = Model(task, (), unknowable=True)
        models[f"sandbox/{task}-8"] = Model(task, None)
        models[f"sandbox/{task}-9"] = Model(task, ())
    models["sandbox/image-text-to-text-2"] = replace(models["sandbox/image-text-to-text-2"], tools_at=())
    return models


def task_of(model: str) -> str:
    """Read the task off an id of the form sandbox/<task>-<n>."""
    match = _ID.fullmatch(model)
    if match is None:
        raise ValueError(f"The sandbox does not know {model!r}; give its task, or use an id like sandbox/<task>-<n>")
    return match[1]


def provider_id(model: str, provider: str) -> str:
    """Name a model as a provider does, never as the Hub does (but for hf-inference), or a mix-up would go unseen."""
    return model if provider == "hf-inference" else f"{provider}/{model.replace('/', '--')}"


def hub_id(name: str) -> str:
    """Turn a provider's name of a model back; `--` is not allowed in the Hub's ids."""
    return name.rpartition("/")[2].replace("--", "/") if "--" in name else name


def answer(box: "Sandbox", request: "httpx.Request") -> "httpx.Response":
    """Answer what the Hub is asked."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    from omni_router.hub.http import httpx

    path = request.url.path
    if path == MODELS_PATH:
        return httpx.Response(200, json=_listing(box, request.url.params))
    model = path.removeprefix(f"{MODELS_PATH}/")
    if model.endswith(_AUTH_CHECK):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return _access(box.models().get(model.removesuffix(_AUTH_CHECK)), token)
    if model == path or model.count("/") > 1:
        # Said like this, a file that was downloaded before is taken from the cache instead of being reported missing.
        raise OfflineModeIsEnabled(f"Cannot reach {request.url}: the sandbox is active, and it holds no files.")
    if model not in (models := box.models()):
        headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
        return httpx.Response(404, json={"error": "Repository not found"}, headers=headers)
    if new := models[model].renamed_to:
        return httpx.Response(307, headers={"location": f"{MODELS_PATH}/{new}"})
    asked = request.url.params.get_list("expand")
    if models[model].unknowable and "gated" in asked:
        return httpx.Response(422, json={"error": "The Hub cannot tell. (simulated)"})
    return httpx.Response(200, json=_info(box, model, models[model], asked))


def _info(box: "Sandbox", model: str, entry: Model, asked: list[str]) -> dict[str, Any]:
    """Describe a single model: whole, or what was asked for."""
    if not asked:
        return {"id": model, "pipeline_tag": entry.task, "tags": [entry.task], "siblings": []}
    info = {"id": model, **{key: value for key, value in _facts(model, entry).items() if key in asked}}
    if asked == ["inferenceProviderMapping"] and (fault := box.take_fault("mapping", model)):  # the client's question
        info["inferenceProviderMapping"] = fault.body
    elif (entries := info.pop("inferenceProviderMapping", None)) is not None:
        # About a single model the Hub gives an object keyed by provider.
        info["inferenceProviderMapping"] = {each.pop("provider"): each for each in entries}
    return info


def chat_models(box: "Sandbox") -> dict[str, Any]:
    """Give what the router of Inference Providers says about the models it chats with."""
    return {
        "object": "list",
        "data": [
            {
                "id": model,
                "object": "model",
                "created": 0,
                "owned_by": model.partition("/")[0],
                "architecture": {
                    "input_modalities": ["text", "image"] if entry.task == "image-text-to-text" else ["text"],
                    "output_modalities": ["text"],
                },
                "providers": [
                    {
                        "provider": provider,
                        "status": "live",
                        **traits_of(model).at(place),
                        "supports_tools": entry.takes_tools(provider),
                        "supports_structured_output": entry.takes_tools(provider),
                    }
                    for place, provider in enumerate(entry.providers, start=1)
                ],
            }
            for model, entry in box.models().items()
            if entry.listed and entry.providers and entry.provider_task == "conversational"
        ],
    }


def _access(entry: Model | None, token: str) -> "httpx.Response":
    from omni_router.hub.http import httpx

    if entry is None or (entry.gated and token not in entry.open_to):
        code, text = ("GatedRepo", "Access to this model is restricted") if entry else ("RepoNotFound", "Not found")
        headers = {"X-Error-Code": code, "X-Error-Message": f"{text}. (simulated)"}
        return httpx.Response(403 if entry else 404, json={"error": text}, headers=headers)
    return httpx.Response(200, json={})


def _listing(box: "Sandbox", params: "httpx.QueryParams") -> list[dict[str, Any]]:
    task, provider = params.get("pipeline_tag"), params.get("inference_provider", "all")
    asked = params.get_list("expand")
    found = [
        {"id": model, **{key: value for key, value in _facts(model, entry).items() if key in asked}}
        if asked
        else {"id": model, "pipeline_tag": entry.task, "tags": [entry.task]}
        for model, entry in box.models().items()
        if entry.listed
        and entry.providers
        and task in (None, entry.task)
        and (provider == "all" or provider in entry.providers)
    ]
    return found[: int(params.get("limit", len(found)))]


def _facts(model: str, entry: Model) -> dict[str, Any]:
    """Give what may be asked for with `expand`; in a list of models the mapping is an array."""
    return {
        "pipeline_tag": entry.task,
        "gated": "auto" if entry.gated else False,
        "private": False,
        "createdAt": CREATED,
        "inferenceProviderMapping": _mapping(model, entry),
    }


def _mapping(model: str, entry: Model) -> list[dict[str, Any]] | None:
    if entry.providers is None:
        return None
    return [
        {
            "provider": provider,
            "providerId": provider_id(model, provider),
            "status": "live",
            "task": entry.provider_task,
            "type": "single-model",
        }
        for provider in entry.providers
    ]
