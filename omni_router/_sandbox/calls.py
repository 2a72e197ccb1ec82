"""Requests as they arrive, and what those to providers ask of which model."""

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omni_router._sandbox.models import Model, hub_id, offers_of
from omni_router._sandbox.offers import POLICIES, Offer, choose

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

_CHAT = "/chat/completions"
# Where each provider takes a request for an image or for vectors; its name of the model is in the path or in the body.
_PATHS = (
    re.compile(r"/(?P<provider>hf-inference)/models/(?P<model>.+)/pipeline/feature-extraction"),
    re.compile(r"/(?P<provider>together|scaleway)/v1/embeddings"),
    re.compile(r"/(?P<provider>hf-inference)/models/(?P<model>.+)"),
    re.compile(r"/(?P<provider>together)/v1/images/generations"),
    re.compile(r"/(?P<provider>replicate)/v1/models/(?P<model>.+)/predictions"),
    re.compile(r"/(?P<provider>fal-ai)/(?P<model>.+)"),
)
_PARAMETER_OBJECTS = ("parameters", "image_size", "input")  # each provider has another one


@dataclass(frozen=True)
class Record:
    """A request as it arrived."""

    method: str
    host: str
    path: str
    query: dict[str, list[str]]
    model: str | None = None  # the Hub's id, also where the provider's own id was sent
    parameters: dict[str, Any] = field(default_factory=dict)  # the parameters of a chat, without messages and tools
    provider: str | None = None  # the provider that answers: the one that the call names, else the router's choice
    # Not in the repr: a failing assertion prints that, and a developer may have sent a real token by mistake.
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Call:
    """One call of a specialist."""

    task: str  # the providers' name: conversational, text-to-image, image-to-text, feature-extraction
    model: str  # the Hub's id
    provider: str | None  # None: the router chooses
    prompt: str  # the last user message, or the description of the image
    body: dict[str, Any]
    policy: str = "fastest"  # how the router chooses; the suffix of a model names one instead of a provider

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the request beside the prompt, wherever a provider puts them."""
        parameters = dict(self.body)
        for name in _PARAMETER_OBJECTS:
            if isinstance(self.body.get(name), dict):
                parameters |= self.body[name]
        return parameters


def read(request: "httpx.Request", models: dict[str, Model]) -> Call | None:
    """Read a POST; return None if no provider takes requests there."""
    path = request.url.path
    body = _json(request.content)
    if path.endswith(_CHAT):
        return _chat(path, body)
    for pattern in _PATHS:
        if match := pattern.fullmatch(path):
            groups = match.groupdict()
            model = hub_id(str(groups.get("model") or body.get("model") or ""))
            task = "text-to-image"
            if model in models:
                task = models[model].provider_task
            return Call(task, model, groups["provider"], _prompt(body), body)
    return None


def offer_for(call: Call, models: dict[str, Model]) -> Offer | None:
    """Return the offer that is to answer a call; None if no provider serves the model."""
    model = models.get(call.model)
    if model is None or model.provider_task != call.task:
        return None
    return choose(offers_of(call.model, model), call.provider, call.policy)


def embedded_texts(body: dict[str, Any]) -> list[str]:
    """Return the texts of a request for vectors; none of any other."""
    texts = body.get("inputs") or body.get("input")
    if not isinstance(texts, list):
        return []
    return [text for text in texts if isinstance(text, str)]


def text_of(content: Any) -> str:
    """Join the texts of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in dicts(content)]
    return " ".join(text for text in texts if isinstance(text, str))


def dicts(values: Any) -> list[dict[str, Any]]:
    """Return the objects in a list of a request; nothing for a value that is not a list."""
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, dict)]


def _chat(path: str, body: dict[str, Any]) -> Call:
    provider: str | None = path.split("/")[1]
    if provider == "v1":  # /v1/... is the router's own path, /<provider>/... is for that provider
        provider = None
    model, _, suffix = str(body.get("model") or "").partition(":")
    policy = "fastest"
    if suffix in POLICIES:
        policy = suffix
    elif provider is None and suffix:
        provider = suffix
    prompt = ""
    for message in dicts(body.get("messages")):
        if message.get("role") == "user":
            prompt = text_of(message.get("content"))
    return Call("conversational", hub_id(model), provider, prompt, body, policy)


def _prompt(body: dict[str, Any]) -> str:
    if texts := embedded_texts(body):
        return " ".join(texts)
    prompt = body.get("prompt") or body.get("inputs")
    if isinstance(body.get("input"), dict):
        prompt = body["input"].get("prompt")
    return str(prompt) if isinstance(prompt, str) else ""


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:  # an image is sent as it is
        return {}
    if not isinstance(body, dict):
        return {}
    return body
