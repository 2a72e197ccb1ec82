"""The graph as a LangChain chat model: each turn of an agent is routed."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from omni_router.agents.base_chat_model import BaseChatOmni
from omni_router.agents.generation import Generation
from omni_router.agents.isolation import aisolated, inner_callbacks, isolated, parent_store, parent_writer
from omni_router.agents.parameters import read_fields
from omni_router.agents.structured_output import openai_tool_choice, openai_tools, structured_output
from omni_router.events import astream, stream

Events = TypeVar("Events")  # an iterator or an async iterator


class ChatOmni(BaseChatOmni):
    """A chat model that routes each call, and answers with the specialist of the decision.

    The answer's `response_metadata` holds the decision and generated files, as `decision` and `artifacts`.
    The fields of `Settings` are fields of the model, and LangChain's own parameters are read as those:
    `ChatOmni(temperature=0, max_tokens=200, route="code")`. `settings=Settings(...)` sets all of them.

    Copies share the graph. A pickle holds no token and no live object: a model that is loaded uses those of its
    process.

    Raises:
        AnswerFailed: from every call that ends without an answer.
        ConfigurationError: `skip_specialists` is set.
        InvalidRequest: a parameter is unknown, or not allowed.
    """

    # Not in the base class, or type checkers would allow only the names of fields, and no `max_tokens`.
    def __init__(self, **parameters: Any) -> None:
        """Accept the fields by name, LangChain's parameters, and `settings` in place of the fields of `Settings`."""
        super().__init__(**read_fields(parameters, self._own_field_names()))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools for the specialist; only models that take tools are then chosen.

        Args:
            tools: anything that LangChain turns into a function in OpenAI's form.
            tool_choice: auto, none, any (or required), the name of a tool, or a function in OpenAI's form.
            strict: whether arguments have to follow the schema exactly, where a model supports it.
            kwargs: parameters of the call.

        Raises:
            InvalidRequest: `tool_choice` names none of the tools.
        """
        functions = openai_tools(tools, strict=strict)
        choice = openai_tool_choice(tool_choice, functions)
        return self.bind(tools=functions, **({"tool_choice": choice} if choice else {}), **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Literal["function_calling", "json_schema", "json_mode"] = "function_calling",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return a runnable that answers in the form of a schema, by a tool call or by the specialist's JSON.

        Args:
            schema: a pydantic class, a TypedDict, a JSON schema, or a function in OpenAI's form.
            method: function_calling chooses among models that take tools, the others send a `response_format`.
            include_raw: whether to return the message and any parsing error too.
            strict: whether the answer has to follow the schema exactly, where a model supports it.
            kwargs: parameters of the call.

        Raises:
            InvalidRequest: the method is unknown, or there is no schema.
        """
        return structured_output(self, schema, method=method, include_raw=include_raw, strict=strict, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        generation = Generation(parent_writer())
        for event in isolated(self._run(stream, messages, {**kwargs, "stop": stop}, run_manager, tokens=False)):
            generation.add(event)
        return generation.result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        generation = Generation(parent_writer())
        run = self._run(astream, messages, {**kwargs, "stop": stop}, run_manager, tokens=False)
        async for event in aisolated(run):
            generation.add(event)
        return generation.result()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        generation = Generation(parent_writer())
        for event in isolated(self._run(stream, messages, {**kwargs, "stop": stop}, run_manager, tokens=True)):
            if chunk := generation.add(event):
                yield chunk
        yield generation.last_chunk()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        generation = Generation(parent_writer())
        run = self._run(astream, messages, {**kwargs, "stop": stop}, run_manager, tokens=True)
        async for event in aisolated(run):
            if chunk := generation.add(event):
                yield chunk
        yield generation.last_chunk()

    def _run(
        self,
        run: Callable[..., Events],
        messages: list[BaseMessage],
        parameters: Mapping[str, Any],
        run_manager: Any,
        *,
        tokens: bool,
    ) -> Callable[[], Events]:
        """Prepare one run of the graph, with what it needs from the surrounding run."""
        graph = self._compiled()
        # No thread is kept here: a chat model receives the whole conversation each time.
        graph = graph.copy({"checkpointer": None, "store": graph.store or parent_store()})
        copies = [message.model_copy() for message in messages]  # the graph adds ids to messages without one
        return partial(
            run,
            graph,
            {"messages": copies},
            {"callbacks": inner_callbacks(run_manager)},
            context=self._call_settings(parameters),
            tokens=tokens,
        )

    @property
    def _llm_type(self) -> str:
        return "omni-router"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"settings": self.settings.model_dump()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        settings = self.settings
        params["ls_provider"] = "omni-router"
        params["ls_model_name"] = str(kwargs.get("model") or settings.model or "omni-router")
        params["ls_temperature"] = kwargs.get("temperature", settings.temperature)
        params["ls_max_tokens"] = kwargs.get("max_tokens", settings.max_new_tokens)
        if ends := stop or list(settings.stop):
            params["ls_stop"] = ends
        return params
