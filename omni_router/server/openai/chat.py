"""POST /v1/chat/completions, and POST /v1/route, which takes the same body and calls no model."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AnyMessage
from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.settings import Settings
from omni_router.messages import newest_user_text
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai.answers import answer_of, completion, headers_of, omni_of, text_of
from omni_router.server.openai.bodies import ignored, ignored_names, note_ignored, read_as, read_json
from omni_router.server.openai.messages import read_messages
from omni_router.server.openai.models import settings_of_model
from omni_router.server.openai.overrides import FIELDS, read_overrides
from omni_router.server.openai.requests import ChatRequest
from omni_router.server.openai.run import Api, RunStream
from omni_router.server.openai.stream import stream


class PreparedRequest(NamedTuple):
    """A request with the input of its run."""

    chat: ChatRequest
    messages: list[AnyMessage]
    settings: Settings


async def chat(api: Api, request: Request) -> Response:
    """Answer a conversation, at once or as a stream."""
    body = await read_json(request)
    chat_request, messages, settings = await asyncio.to_thread(_prepare, api, request, body)
    if not chat_request.stream:
        result = await api.result(request, messages, settings)
        answer = await asyncio.to_thread(_completion, api, request, result)
        return ModelJSONResponse(answer, headers=headers_of(result))
    options = chat_request.stream_options
    run = RunStream(request, api.events(request, messages, settings, tokens=True))
    try:
        return await stream(run, api.memory, usage=options is not None and options.include_usage)
    except BaseException:
        await run.close()
        raise


async def route(api: Api, request: Request) -> Response:
    """Return the decision on a chat; that no route or model fits is a decision too, named in `error`."""
    body = await read_json(request)
    _, messages, settings = await asyncio.to_thread(_prepare, api, request, body, skip_specialists=True)
    result = await api.result(request, messages, settings)
    return ModelJSONResponse(omni_of(result), headers=headers_of(result))


def _prepare(api: Api, request: Request, body: Mapping[str, Any], **settings: Any) -> PreparedRequest:
    """Read a body, on a thread, since images are decoded and the policy is read; note which parameters are ignored.

    Raises:
        ApiError: something in it cannot be served.
        BadImage: an image is not readable.
    """
    chat_request = read_as(ChatRequest, body)
    routes = services_of(api.graph).policy.routes()
    model = settings_of_model(chat_request.model, routes)
    overrides = read_overrides(request.headers, body, routes)
    without_effect = [name for name in ignored_names(ChatRequest, body) if name not in FIELDS]
    if chat_request.logit_bias and "model" not in model:
        # Its keys are tokens of one model's vocabulary, and mean others to the model that the router chooses.
        chat_request = chat_request.model_copy(update={"logit_bias": None})
        without_effect.append("logit_bias")
    note_ignored(request, without_effect)
    run_settings = api.settings(**{**model, **chat_request.settings(), **overrides, **settings})
    return PreparedRequest(chat_request, read_messages(chat_request.messages, api.memory), run_settings)


def _completion(api: Api, request: Request, result: Mapping[str, Any]) -> dict[str, Any]:
    answer = answer_of(result)
    note_ignored(request, answer.response_metadata.get("ignored", []))
    body = completion(result, ignored(request))
    api.memory.remember(answer, text_of(result, answer), newest_user_text(result["messages"]))
    return body
