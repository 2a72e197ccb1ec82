"""The graph as a LangChain chat model: each turn of an agent is routed."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from omni_router.agents.base_chat_model import BaseChatOmni
from omni_router.agents.isolation import astream_apart, store_around, stream_apart, tracers, writer_around
from omni_router.agents.overrides import read_fields
from omni_router.agents.structured_output import openai_tools, structured, tool_choice_of
from omni_router.agents.turn import Turn

WITHOUT_TOKENS = ("custom", "values")
WITH_TOKENS = ("custom", "messages", "values")


class ChatOmni(BaseChatOmni):
    """Route each call, and answer with the specialist that is decided on.

    The decision and the pictures made are in the answer's `response_metadata`, as `decision` and `artifacts`.
    The fields of `Settings` are fields of the model, and LangChain's own parameters are read as those:
    `ChatOmni(temperature=0, max_tokens=200, route="code")`. `settings=Settings(...)` gives them together.

    Copies share the graph. A pickle holds no token and no live object: the model that comes out of it works with those
    of its process.

    Raises:
        AnswerFailed: from every call that ends without an answer.
        ConfigurationError: `skip_specialists` is set.
        InvalidRequest: a parameter is unknown, or not allowed.
    """

    # Not in the base class, or type checkers would allow only the names of fields, and no `max_tokens`.
    def __init__(self, **given: Any) -> None:
        """Take the fields by name, LangChain's parameters, and `settings` in place of the fields of `Settings`."""
        super().__init__(**read_fields(given, self._own_field_names()))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the specialist; only models that take tools are then chosen.

        Args:
            tools: anything that LangChain turns into a function in OpenAI's form.
            tool_choice: auto, none, any (or required), the name of a tool, or a function in OpenAI's form.
            strict: whether arguments have to follow the schema to the letter, where a model knows that.
            kwargs: parameters of the call.

        Raises:
            InvalidRequest: `tool_choice` names none of the tools.
        """
        functions = openai_tools(tools, strict=strict)
        choice = tool_choice_of(tool_choice, functions)
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
        """Answer in a form: by a tool that has to be called, or by the specialist's JSON.

        Args:
            schema: a pydantic class, a TypedDict, a JSON schema, or a function in OpenAI's form.
            method: function_calling chooses among models that take tools, the others ask for a `response_format`.
            include_raw: give the message too, and what was wrong with it.
            strict: whether the answer has to follow the schema to the letter, where a model knows that.
            kwargs: parameters of the call.

        Raises:
            InvalidRequest: the method is unknown, or there is no schema.
        """
        return structured(self, schema, method=method, include_raw=include_raw, strict=strict, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = Turn(writer_around())
        for mode, part in stream_apart(self._run("stream", messages, {**kwargs, "stop": stop}, run_manager)):
            turn.take(mode, part)
        return ChatResult(generations=[ChatGeneration(message=turn.message())])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = Turn(writer_around())
        async for mode, part in astream_apart(self._run("astream", messages, {**kwargs, "stop": stop}, run_manager)):
            turn.take(mode, part)
        return ChatResult(generations=[ChatGeneration(message=turn.message())])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn = Turn(writer_around())
        run = self._run("stream", messages, {**kwargs, "stop": stop}, run_manager, WITH_TOKENS)
        for mode, part in stream_apart(run):
            if piece := turn.take(mode, part):
                yield piece
        yield turn.last()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn = Turn(writer_around())
        run = self._run("astream", messages, {**kwargs, "stop": stop}, run_manager, WITH_TOKENS)
        async for mode, part in astream_apart(run):
            if piece := turn.take(mode, part):
                yield piece
        yield turn.last()

    def _run(
        self,
        method: Literal["stream", "astream"],
        messages: list[BaseMessage],
        given: Mapping[str, Any],
        run_manager: Any,
        modes: Sequence[str] = WITHOUT_TOKENS,
    ) -> Callable[[], Any]:
        """Prepare one run of the graph; what it takes from the run around is taken now."""
        graph = self._compiled()
        # There is no thread here whose turns could be kept: a chat model is given all of the conversation each time.
        graph = graph.copy({"checkpointer": None, "store": graph.store or store_around()})
        asked = [message.model_copy() for message in messages]  # the graph gives ids to those without
        return partial(
            getattr(graph, method),
            {"messages": asked},
            {"callbacks": tracers(run_manager)},
            context=self._settings(given),
            stream_mode=list(modes),
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
