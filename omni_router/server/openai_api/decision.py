"""POST /v1/route: where a chat would go; nobody is called."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse

from omni_router.server.openai_api.answers import headers_of, omni_of
from omni_router.server.openai_api.chat import prepare
from omni_router.server.openai_api.requests import read_json
from omni_router.server.openai_api.run import Api


async def route(api: Api, request: Request) -> JSONResponse:
    """Decide on a chat's body; that no route or model is there for it is a decision too, told in `error`."""
    found = await read_json(request)
    _, messages, settings = await asyncio.to_thread(prepare, api, found, skip_specialists=True)
    result = await api.result(request, messages, settings)
    return JSONResponse(omni_of(result), headers=headers_of(result))
