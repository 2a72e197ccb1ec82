"""The graph as a tool of a LangChain agent, which answers in JSON."""

import json
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest
from omni_router.messages import user_message
from omni_router.run_result import RunResult
from omni_router.services import lazy

DESCRIPTION = (
    "Ask a specialist model: to write, explain, translate or calculate something, to draw or paint an image, or to "
    "answer a question about an image. A fitting model is chosen for each request. The result is JSON: the text "
    "in `answer`, generated images in `artifacts`, and what went wrong, if anything, in `error`, with a `hint` of "
    "what to do about it."
)


class Request(BaseModel):
    """The arguments of the tool."""

    prompt: str = Field(description="The whole request, in plain words; the specialist sees nothing else.")
    image: str | None = Field(
        default=None, description="The http(s) address, or data URL, of an image that the request is about."
    )


def omni_tool(
    graph: Any = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    name: str = "omni_router",
    description: str = DESCRIPTION,
) -> BaseTool:
    """Return a tool that routes a request and answers with its `RunResult` as JSON, which is its artifact as well.

    The JSON says so when a turn fails; a request that nobody can answer is a tool message with status `error`. Stream
    the agent with `subgraphs=True` to see the specialist's tokens.

    Args:
        graph: compiled; by default that of `omni_router.graph`.
        settings: the settings of each request.
        name: the tool's name, as the agent's model sees it.
        description: what the agent's model reads about the tool.
    """
    compiled = lazy(lambda: graph if graph is not None else _default_graph())

    def ask(prompt: str, image: str | None = None) -> tuple[str, dict[str, Any]]:
        try:
            return _content_and_artifact(compiled().invoke(_input(prompt, image), context=settings))
        except InvalidRequest as error:
            raise ToolException(str(error)) from error

    async def aask(prompt: str, image: str | None = None) -> tuple[str, dict[str, Any]]:
        try:
            return _content_and_artifact(await compiled().ainvoke(_input(prompt, image), context=settings))
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


def _input(prompt: str, image: str | None) -> dict[str, Any]:
    # A model writes the arguments, so they must not make this process open a file.
    address = image.strip() if image is not None else None
    return {"messages": [user_message(prompt, address, local_files=False)]}


def _content_and_artifact(state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    result = RunResult.from_state(state).as_json()
    return json.dumps(result, ensure_ascii=False), result


def _default_graph() -> Any:
    from omni_router.graph import graph

    return graph
