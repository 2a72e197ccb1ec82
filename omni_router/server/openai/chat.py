"""The one handler of conversations, in every dialect; POST /v1/route takes the same body and calls no model."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AnyMessage
from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.settings import Settings
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import services_of
from omni_router.server.openai.answers import finished_answer, headers_of, omni_of
from omni_router.server.openai.bodies import ignored_names, note_ignored, read_as, read_json
from omni_router.server.openai.completions import ChatCompletions
from omni_router.server.openai.dialect import Dialect
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


Handler = Callable[[Api, Request], Coroutine[Any, Any, Response]]


def chat(dialect: type[Dialect]) -> Handler:
    """Return the handler that answers conversations in a dialect."""

    async def chat(api: Api, request: Request) -> Response:
        return await _chat(api, request, dialect(await read_json(request)))

    return chat


async def _chat(api: Api, request: Request, dialect: Dialect) -> Response:
    """Answer a conversation, at once or as a stream."""
    chat_request, messages, settings = await asyncio.to_thread(_prepare, api, request, dialect)
    if not chat_request.stream:
        result = await api.result(request, messages, settings)
        body = await asyncio.to_thread(_body, api, request, dialect, result)
        return ModelJSONResponse(body, headers=headers_of(result))
    run = RunStream(request, api.events(request, messages, settings, tokens=True))
    try:
        return await stream(run, api.memory, dialect.writer())
    except BaseException:
        await run.close()
        raise


async def route(api: Api, request: Request) -> Response:
    """Return the decision on a chat; that no route or model fits is a decision too, named in `error`."""
    dialect = ChatCompletions(await read_json(request))
    _, messages, settings = await asyncio.to_thread(_prepare, api, request, dialect, skip_specialists=True)
    result = await api.result(request, messages, settings)
    return ModelJSONResponse(omni_of(result), headers=headers_of(result))


def _prepare(api: Api, request: Request, dialect: Dialect, **settings: Any) -> PreparedRequest:
    """Read a body, on a thread, since images are decoded and the policy is read; note which parameters are ignored.

    Raises:
        ApiError: something in it cannot be served.
        BadImage: an image is not readable.
    """
    body = dialect.chat_body()
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
    messages = read_messages(chat_request.messages, api.memory, dialect.place)
    return PreparedRequest(chat_request, messages, run_settings)


def _body(api: Api, request: Request, dialect: Dialect, result: Mapping[str, Any]) -> dict[str, Any]:
    return dialect.body(finished_answer(result, request, api.memory))
