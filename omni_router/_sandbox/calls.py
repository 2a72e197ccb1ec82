"""What a request to a provider asks for, and of which model."""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omni_router._sandbox import hub

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

_CHAT = "/chat/completions"
# Where each provider takes a request for a picture; a provider's name of the model is in the path or in the body.
_PATHS = (
    re.compile(r"/(?P<provider>hf-inference)/models/(?P<model>.+)"),
    re.compile(r"/(?P<provider>together)/v1/images/generations"),
    re.compile(r"/(?P<provider>replicate)/v1/models/(?P<model>.+)/predictions"),
    re.compile(r"/(?P<provider>fal-ai)/(?P<model>.+)"),
)
# Suffixes of a model that tell the router how to choose a provider instead of naming one.
_POLICIES = ("fastest", "cheapest", "preferred")


@dataclass(frozen=True)
class Call:
    """One call of a specialist."""

    task: str  # as providers name it: conversational, text-to-image, image-to-text
    model: str  # the Hub's id
    provider: str | None  # None: the router chooses
    prompt: str  # the last user message, or what is to be drawn
    body: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """What was asked for beside the prompt; each provider keeps it in another place."""
        places = (self.body, *(self.body.get(key) for key in ("parameters", "image_size", "input")))
        return {key: value for place in places if isinstance(place, dict) for key, value in place.items()}


def read(request: "httpx.Request", models: dict[str, hub.Model]) -> Call | None:
    """Read a POST; None if no provider takes requests there."""
    path = request.url.path
    body = _json(request.content)
    if path.endswith(_CHAT):
        return _chat(path, body)
    for pattern in _PATHS:
        if match := pattern.fullmatch(path):
            found = match.groupdict()
            model = hub.hub_id(str(found.get("model") or body.get("model") or ""))
            known = models.get(model)
            task = known.provider_task if known else "text-to-image"
            return Call(task, model, found["provider"], _prompt(body), body)
    return None


def text_of(content: Any) -> str:
    """Join the texts of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _chat(path: str, body: dict[str, Any]) -> Call:
    first = path.split("/")[1]
    provider = None if first == "v1" else first  # /v1/… is the router's own, /<provider>/… goes to that one
    model, _, suffix = str(body.get("model") or "").partition(":")
    if provider is None and suffix and suffix not in _POLICIES:
        provider = suffix
    messages = [message for message in body.get("messages") or [] if isinstance(message, dict)]
    said = [text_of(message.get("content")) for message in messages if message.get("role") == "user"]
    return Call("conversational", hub.hub_id(model), provider, said[-1] if said else "", body)


def _prompt(body: dict[str, Any]) -> str:
    given = body.get("input")
    prompt = given.get("prompt") if isinstance(given, dict) else body.get("prompt") or body.get("inputs")
    return prompt if isinstance(prompt, str) else ""


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:  # a picture is sent as it is
        return {}
    return found if isinstance(found, dict) else {}
