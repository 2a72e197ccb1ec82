"""The graph as a tool of a LangChain agent, which answers in JSON."""

import json
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from omni_router.config.settings import Settings
from omni_router.errors import BadPicture, InvalidRequest
from omni_router.events import Summary, summarize
from omni_router.messages import user_message
from omni_router.services.lazy import once

DESCRIPTION = (
    "Ask a specialist model: to write, explain, translate or calculate something, to draw or paint a picture, or to "
    "answer a question about a picture. Which model does it is decided for each request. The result is JSON: the text "
    "in `answer`, the pictures made in `artifacts`, and what went wrong, if anything, in `error`, with a `hint` of "
    "what to do about it."
)

_ADDRESSES = ("http://", "https://", "data:")


class Request(BaseModel):
    """What the tool takes."""

    prompt: str = Field(description="The whole request, in plain words; the specialist sees nothing else.")
    image: str | None = Field(
        default=None, description="The http(s) address, or data URL, of a picture that the request is about."
    )


def omni_tool(
    graph: Any = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    name: str = "omni_router",
    description: str = DESCRIPTION,
) -> BaseTool:
    """Make a tool that routes a request and answers with the JSON of its `Summary`, which is its artifact as well.

    A turn that fails is told in the JSON; a request that cannot be answered by anybody is a tool message with status
    `error`. Stream the agent with `subgraphs=True` to see the specialist's tokens.

    Args:
        graph: compiled; by default that of `omni_router.graph`.
        settings: what holds for each request.
        name: the tool's name, as the agent's model sees it.
        description: what the agent's model reads of it.
    """
    compiled = once(lambda: graph if graph is not None else _default_graph())

    def ask(prompt: str, image: str | None = None) -> tuple[str, Summary]:
        try:
            return _told(compiled().invoke(_question(prompt, image), context=settings))
        except InvalidRequest as error:
            raise ToolException(str(error)) from error

    async def aask(prompt: str, image: str | None = None) -> tuple[str, Summary]:
        try:
            return _told(await compiled().ainvoke(_question(prompt, image), context=settings))
        except InvalidRequest as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        ask,
        aask,
        name=name,
        description=description,
        args_schema=Request,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _question(prompt: str, image: str | None) -> dict[str, Any]:
    # A model writes the arguments: what it names as a file must not be opened here.
    if image is not None and not image.strip().lower().startswith(_ADDRESSES):
        raise BadPicture(f"image is {image!r}; it has to be an http(s) address or a data URL")
    return {"messages": [user_message(prompt, image.strip() if image else None)]}


def _told(result: dict[str, Any]) -> tuple[str, Summary]:
    summary = summarize(result)
    return json.dumps(summary, ensure_ascii=False), summary


def _default_graph() -> Any:
    from omni_router.graph import graph

    return graph
