"""POST /v1/chat/completions."""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AnyMessage
from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.settings import Settings
from omni_router.routers.conversation import newest_user_text
from omni_router.server.call import services_of
from omni_router.server.openai_api.answers import answer_of, completion, headers_of, text_of
from omni_router.server.openai_api.bodies import read_as, read_json
from omni_router.server.openai_api.messages import read_messages
from omni_router.server.openai_api.models import chosen
from omni_router.server.openai_api.requests import ChatRequest
from omni_router.server.openai_api.run import Api, Feed
from omni_router.server.openai_api.stream import stream
from omni_router.server.openai_api.to_json import Answer


async def chat(api: Api, request: Request) -> Response:
    """Answer a conversation, at once or in pieces."""
    found = await read_json(request)
    asked, messages, settings = await asyncio.to_thread(prepare, api, found)
    if not asked.stream:
        result = await api.result(request, messages, settings)
        body = await asyncio.to_thread(_told, api, result)
        return Answer(body, headers=headers_of(result))
    usage = asked.stream_options is not None and asked.stream_options.include_usage
    feed = Feed(request, api.follow(request, messages, settings, pieces=True))
    try:
        return await stream(feed, api.memory, usage=usage)
    except BaseException:
        await feed.close()
        raise


def prepare(api: Api, found: Mapping[str, Any], **knobs: Any) -> tuple[ChatRequest, list[AnyMessage], Settings]:
    """Read a body; in a thread, since pictures are decoded and the policy is read.

    Raises:
        ApiError: something in it cannot be served.
        BadPicture: what is given as a picture is none.
    """
    asked = read_as(ChatRequest, found)
    settled = chosen(asked.model, services_of(api.graph).policy.routes())
    return asked, read_messages(asked.messages, api.memory), api.settings(**settled, **asked.knobs(), **knobs)


def _told(api: Api, result: Mapping[str, Any]) -> dict[str, Any]:
    body = completion(result)
    answer = answer_of(result)
    api.memory.remember(answer, text_of(result, answer), newest_user_text(result["messages"]))
    return body
