"""Tools and the form of an answer, as they are bound to a chat model: in OpenAI's form."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from omni_router.errors import InvalidRequest

CHOICES = ("auto", "none", "required")
METHODS = ("function_calling", "json_schema", "json_mode")

Tools = Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool]


def openai_tools(tools: Tools, *, strict: bool | None) -> list[dict[str, Any]]:
    """Return tools as functions in OpenAI's form."""
    return [convert_to_openai_tool(tool, strict=strict) for tool in tools]


def openai_tool_choice(choice: Any, tools: list[dict[str, Any]]) -> Any:
    """Return LangChain's `tool_choice` in OpenAI's form: any and True require some tool, a name requires that one.

    Raises:
        InvalidRequest: it names none of the tools.
    """
    if not choice or isinstance(choice, dict):
        return choice or None
    if choice is True or choice == "any":
        return "required"
    names = [tool["function"]["name"] for tool in tools if "function" in tool]
    if choice in names:
        return {"type": "function", "function": {"name": choice}}
    if choice in CHOICES:
        return choice
    raise InvalidRequest(
        f"tool_choice is {choice!r}; it may be {', '.join(CHOICES)}, any, or one of: {', '.join(names)}"
    )


def structured_output(
    model: BaseChatModel, schema: Any, *, method: str, include_raw: bool, strict: bool | None, **kwargs: Any
) -> Runnable[Any, Any]:
    """Return a runnable that has `model` answer in the form of a schema, and parses the answer.

    Raises:
        InvalidRequest: the method is unknown, or there is no schema.
    """
    if method not in METHODS:
        raise InvalidRequest(f"method is {method!r}; it may be {', '.join(METHODS)}")
    if schema is None and method != "json_mode":
        raise InvalidRequest(f"{method} needs a schema")
    tracing = {"ls_structured_output_format": {"kwargs": {"method": method}, "schema": schema}}
    parser: Runnable[Any, Any]
    if method == "function_calling":
        bound = model.bind_tools([schema], tool_choice="any", strict=strict, **tracing, **kwargs)
        parser = _tool_parser(schema)
    else:
        response_format: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            response_format = _json_schema_format(schema, strict=strict)
        bound = model.bind(response_format=response_format, **tracing, **kwargs)
        parser = _json_parser(schema)
    return _with_raw(bound, parser) if include_raw else bound | parser


def _json_schema_format(schema: Any, *, strict: bool | None) -> dict[str, Any]:
    json_schema = convert_to_json_schema(schema)
    described = {"name": json_schema.get("title", "answer"), "schema": json_schema}
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


def _tool_parser(schema: Any) -> Runnable[Any, Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    name = convert_to_openai_tool(schema)["function"]["name"]
    return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _json_parser(schema: Any) -> BaseOutputParser[Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticOutputParser(pydantic_object=schema)
    return JsonOutputParser()


def _with_raw(bound: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return message, answer and error, as every chat model of LangChain does."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")
