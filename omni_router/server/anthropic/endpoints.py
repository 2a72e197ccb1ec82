"""The paths of Anthropic's interface: messages, as a dialect of the one handler, their tokens, and the models."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from omni_router.hub.requirements import estimate_tokens
from omni_router.server.anthropic.answers import message
from omni_router.server.anthropic.errors import REQUEST_ID, request_id
from omni_router.server.anthropic.requests import CountRequest, MessagesRequest, chat_body, shows_thinking
from omni_router.server.anthropic.stream import EventWriter
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai import models
from omni_router.server.openai.bodies import read_as, read_json
from omni_router.server.openai.chat import chat
from omni_router.server.openai.dialect import Answer, Dialect
from omni_router.server.openai.messages import read_messages
from omni_router.server.openai.models import settings_of_model
from omni_router.server.openai.requests import ChatRequest
from omni_router.server.openai.run import Api

VERSION_HEADER = "anthropic-version"  # which only Anthropic's clients send, in every request


class Messages(Dialect):
    """Anthropic's messages."""

    def chat_body(self) -> dict[str, Any]:
        """Return the request as a body of chat completions."""
        return chat_body(MessagesRequest, self.request)

    def body(self, answer: Answer) -> dict[str, Any]:
        """Return a message."""
        return message(answer, thinking=shows_thinking(self.request))

    def writer(self) -> EventWriter:
        """Return a writer of Anthropic's events."""
        return EventWriter(thinking=shows_thinking(self.request))


_answer = chat(Messages)


async def messages(api: Api, request: Request) -> Response:
    """Answer a conversation, at once or as a stream."""
    response = await _answer(api, request)
    response.headers[REQUEST_ID] = request_id(response.headers)
    return response


async def count_tokens(api: Api, request: Request) -> Response:
    """Return about how many tokens a request has, by the estimate with which a model's context is chosen."""
    body = await read_json(request)
    tokens = await asyncio.to_thread(_count, api, body)
    return _response({"input_tokens": tokens})


def _count(api: Api, body: Mapping[str, Any]) -> int:
    request = read_as(ChatRequest, chat_body(CountRequest, body))
    settings_of_model(request.model, services_of(api.graph).policy.routes())  # only checks the name
    tools = request.settings().get("tools", [])
    return estimate_tokens(read_messages(request.messages, api.memory), tools)


async def list_models(api: Api, request: Request) -> Response:
    """List the values that `model` may have, on one page, whatever `limit` says."""
    if VERSION_HEADER not in request.headers:
        return await models.list_models(api, request)
    entries = [_entry(entry) for entry in await models.model_entries(api)]
    page = {"data": entries, "has_more": False, "first_id": entries[0]["id"], "last_id": entries[-1]["id"]}
    return _response(page)


async def get_model(api: Api, request: Request) -> Response:
    """Return one entry of the list."""
    if VERSION_HEADER not in request.headers:
        return await models.get_model(api, request)
    return _response(_entry(await models.model_entry(api, request.path_params["name"])))


def _response(body: dict[str, Any]) -> Response:
    return ModelJSONResponse(body, headers={REQUEST_ID: request_id({})})


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(entry["created"], timezone.utc)
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry["id"],
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
