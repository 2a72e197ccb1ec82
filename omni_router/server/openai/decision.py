"""POST /v1/route: where a chat would go; no model is called."""

import asyncio

from starlette.requests import Request

from omni_router.server.openai.answers import headers_of, omni_of
from omni_router.server.openai.bodies import read_json
from omni_router.server.openai.chat import prepare
from omni_router.server.openai.run import Api
from omni_router.server.openai.to_json import Answer


async def route(api: Api, request: Request) -> Answer:
    """Decide on a chat's body; that no route or model is there for it is a decision too, named in `error`."""
    found = await read_json(request)
    _, messages, settings = await asyncio.to_thread(prepare, api, request, found, skip_specialists=True)
    result = await api.result(request, messages, settings)
    return Answer(omni_of(result), headers=headers_of(result))
