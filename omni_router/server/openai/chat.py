"""POST /v1/chat/completions."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AnyMessage
from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.settings import Settings
from omni_router.messages import newest_user_text
from omni_router.server.graph_access import services_of
from omni_router.server.openai.answers import answer_of, completion, headers_of, text_of
from omni_router.server.openai.bodies import ignored_names, read_as, read_json
from omni_router.server.openai.ignored import ignored, note_ignored
from omni_router.server.openai.messages import read_messages
from omni_router.server.openai.models import chosen
from omni_router.server.openai.overrides import FIELDS, read_overrides
from omni_router.server.openai.requests import ChatRequest
from omni_router.server.openai.run import Api, Feed
from omni_router.server.openai.stream import stream
from omni_router.server.openai.to_json import Answer


class Prepared(NamedTuple):
    """A request as it is run."""

    asked: ChatRequest
    messages: list[AnyMessage]
    settings: Settings


async def chat(api: Api, request: Request) -> Response:
    """Answer a conversation, at once or in pieces."""
    found = await read_json(request)
    asked, messages, settings = await asyncio.to_thread(prepare, api, request, found)
    if not asked.stream:
        result = await api.result(request, messages, settings)
        body = await asyncio.to_thread(_completion, api, request, result)
        return Answer(body, headers=headers_of(result))
    usage = asked.stream_options is not None and asked.stream_options.include_usage
    feed = Feed(request, api.follow(request, messages, settings, pieces=True))
    try:
        return await stream(feed, api.memory, usage=usage)
    except BaseException:
        await feed.close()
        raise


def prepare(api: Api, request: Request, found: Mapping[str, Any], **knobs: Any) -> Prepared:
    """Read a body, in a thread, since pictures are decoded and the policy is read; note what of it is ignored.

    Raises:
        ApiError: something in it cannot be served.
        BadImage: an image is not readable.
    """
    asked = read_as(ChatRequest, found)
    routes = services_of(api.graph).policy.routes()
    model = chosen(asked.model, routes)
    overrides = read_overrides(request.headers, found, routes)
    ignored = [name for name in ignored_names(ChatRequest, found) if name not in FIELDS]
    if asked.logit_bias and "model" not in model:
        # Its keys are tokens of one model's vocabulary, which mean others to whichever model the router chooses.
        asked = asked.model_copy(update={"logit_bias": None})
        ignored.append("logit_bias")
    note_ignored(request, ignored)
    settings = api.settings(**model, **asked.knobs(), **overrides, **knobs)
    return Prepared(asked, read_messages(asked.messages, api.memory), settings)


def _completion(api: Api, request: Request, result: Mapping[str, Any]) -> dict[str, Any]:
    answer = answer_of(result)
    note_ignored(request, answer.response_metadata.get("ignored", []))
    body = completion(result, ignored(request))
    api.memory.remember(answer, text_of(result, answer), newest_user_text(result["messages"]))
    return body
