"""The parameters of Anthropic's requests that are served, and the body of chat completions that they become."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omni_router.config.parameters import ReasoningEffort
from omni_router.server.anthropic.messages import chat_messages
from omni_router.server.openai.errors import ApiError, shown, wrong
from omni_router.server.openai.requests import check_tool

# Parameters that would change what is done with a request and are not served: the values without effect (beside null),
# and what to do instead. Every other parameter that is not served is ignored, and the response says so.
REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "mcp_servers": (([],), "servers of tools are not called here; let the client call them, and send its `tools`"),
    "container": ((), "code is not run here; leave it out"),
    "inference_geo": (("global",), "where a model runs is not chosen here; name a provider as org/name:provider"),
}

# The code of this error is Anthropic's: on it, the tool runner of its SDK sends the whole conversation instead.
_NO_THREADS = "thread: conversations are not stored here; send all messages, without `thread`."

_HOSTED = "claude-"  # models of Anthropic's own service; clients name one unless they are configured
_INSTEAD = (
    "Name omni, which chooses a model, or a model of the Hub as org/name. Claude Code takes the name from "
    "ANTHROPIC_MODEL and ANTHROPIC_DEFAULT_HAIKU_MODEL: set both to omni."
)

# The tokens of reasoning up to which a budget means an effort; a larger budget is a high one.
_LOW_BUDGET, _MEDIUM_BUDGET = 2_048, 8_192
_EFFORTS: dict[str, ReasoningEffort] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "xhigh",
}


class _Thinking(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: int | None = None
    display: str | None = None


class _Format(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class _OutputConfig(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _ToolChoice(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class CountRequest(BaseModel):
    """The parameters of POST /v1/messages/count_tokens that are served."""

    model_config = ConfigDict(extra="allow", frozen=True)

    messages: list[Any] = Field(min_length=1)
    system: str | list[Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None  # an older name of `output_config.format`


class MessagesRequest(CountRequest):
    """The parameters of POST /v1/messages that are served."""

    max_tokens: int = Field(ge=1)
    stop_sequences: list[str] | None = None


def chat_body(kind: type[CountRequest], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as a body of chat completions; parameters that are not known keep their names.

    Raises:
        ApiError: a parameter is missing, or has a value that is not allowed.
    """
    for name, (allowed, remedy) in REFUSED.items():
        if body.get(name) is not None and body[name] not in allowed:
            # Not shown: servers of tools come with their tokens.
            raise ApiError(f"{name} is not served: {remedy}", param=name, code="invalid_value")
    if body.get("thread") is not None:
        raise ApiError(_NO_THREADS, param="thread", code="thread_unsupported_request")
    if str(body.get("model")).startswith(_HOSTED):
        message = f"The model {shown(body['model'])} is not served here. {_INSTEAD}"
        raise ApiError(message, status=404, param="model", code="model_not_found")
    request = _read_as(kind, body)
    chat: dict[str, Any] = {
        **(request.model_extra or {}),
        "messages": chat_messages(request.system, request.messages),
        "reasoning_effort": _effort(request),
        "response_format": _response_format(request),
        **_tools(request),
    }
    if isinstance(request, MessagesRequest):
        chat |= {"max_tokens": request.max_tokens, "stop": request.stop_sequences or None}
    return {name: value for name, value in chat.items() if value is not None}


def shows_thinking(body: Mapping[str, Any]) -> bool:
    """Return whether an answer has blocks of thinking: many clients read the first block as the text if none is asked.

    The body may be one that is not valid.
    """
    thinking = body.get("thinking")
    if not isinstance(thinking, Mapping):
        return False
    return thinking.get("type") != "disabled" and thinking.get("display") != "omitted"


def _read_as(kind: type[CountRequest], body: Mapping[str, Any]) -> CountRequest:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        code = "missing_required_parameter"
        if first["type"] == "missing":
            raise ApiError(f"{path}: Field required", param=path, code=code) from error  # Anthropic's words
        raise wrong(path, first["input"], first["msg"]) from error


def _effort(request: CountRequest) -> ReasoningEffort | None:
    """Return how long a model thinks: the named effort, else what the budget of tokens comes to."""
    thinking = request.thinking
    if thinking is not None and thinking.type == "disabled":
        return "none"
    if request.output_config is not None and request.output_config.effort is not None:
        return _EFFORTS[request.output_config.effort]
    if thinking is None or thinking.budget_tokens is None:
        return None
    if thinking.budget_tokens <= _LOW_BUDGET:
        return "low"
    return "medium" if thinking.budget_tokens <= _MEDIUM_BUDGET else "high"


def _response_format(request: CountRequest) -> dict[str, Any] | None:
    form = request.output_format
    if request.output_config is not None and request.output_config.format is not None:
        form = request.output_config.format
    if form is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema_, "strict": True}}


def _tools(request: CountRequest) -> dict[str, Any]:
    tools = [_tool(tool, f"tools.{index}") for index, tool in enumerate(request.tools or [])]
    choice = request.tool_choice
    if not tools:
        if choice is not None and choice.type in ("any", "tool"):
            raise wrong("tool_choice.type", choice.type, "there is no tool to use; send `tools`")
        return {}
    if choice is None:
        return {"tools": tools}
    chat: dict[str, Any] = {"tools": tools, "tool_choice": _chosen(choice)}
    if choice.disable_parallel_tool_use:
        chat["parallel_tool_calls"] = False
    return chat


def _tool(tool: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a tool of the client's as a function; those of Anthropic's servers, and without a schema, are refused."""
    kind, name, schema = tool.get("type"), tool.get("name"), tool.get("input_schema")
    if kind not in (None, "custom"):
        raise ApiError(
            f"{where} is of the type {shown(kind)}, which only Anthropic's models and servers know: declare a tool "
            "of your own, with name, description and input_schema.",
            param=where,
            code="unsupported_tool",
        )
    if not isinstance(name, str) or not name:
        raise wrong(f"{where}.name", name, "it is the name of the tool")
    if not isinstance(schema, dict):
        raise wrong(f"{where}.input_schema", schema, "it is a JSON schema, an object")
    check_tool(tool, where)
    function: dict[str, Any] = {"name": name, "parameters": schema}
    for key in ("description", "strict"):
        if tool.get(key) is not None:
            function[key] = tool[key]
    return {"type": "function", "function": function}


def _chosen(choice: _ToolChoice) -> str | dict[str, Any]:
    if choice.type == "tool":
        if not choice.name:
            raise wrong("tool_choice.name", choice.name, "it is the name of the tool to use")
        return {"type": "function", "function": {"name": choice.name}}
    return "required" if choice.type == "any" else choice.type
