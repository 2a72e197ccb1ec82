"""The graph as a LangChain chat model: each turn of an agent is routed."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseCallbackManager, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field, PrivateAttr, SecretStr

from omni_router.agents.apart import NotesRun, astream_apart, store_around, stream_apart, tracers, writer_around
from omni_router.agents.bound import openai_tools, structured, tool_choice_of
from omni_router.agents.knobs import with_knobs
from omni_router.agents.turn import Turn
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError
from omni_router.once import once

WITHOUT_TOKENS = ("custom", "values")
WITH_TOKENS = ("custom", "messages", "values")


class ChatOmni(BaseChatModel):
    """Route each call, and answer with the specialist that is decided on.

    The decision and the pictures made are in the answer's `response_metadata`, as `decision` and `artifacts`.
    LangChain's own parameters and the fields of `Settings` are taken by name: `ChatOmni(temperature=0, route="code")`.

    Raises:
        AnswerFailed: from every call that ends without an answer.
        ConfigurationError: `skip_specialists` is set.
        InvalidRequest: a parameter is unknown, or not allowed.
    """

    settings: Settings = Settings()
    # Compiled; its checkpointer is not used, and its own settings give way to these. By default made when first used.
    graph: Any = Field(default=None, exclude=True, repr=False)
    services: Any = Field(default=None, exclude=True, repr=False)  # what the default graph works with
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)  # a token of Hugging Face
    streaming: bool = False  # whether `invoke`, too, has the specialist stream

    _graph: Callable[[], Any] = PrivateAttr()

    def __init__(self, **given: Any) -> None:
        """Take the fields by name, and LangChain's parameters or those of `Settings` in place of `settings`."""
        knobs = {name: given.pop(name) for name in [*given] if name not in type(self).model_fields}
        given["settings"] = with_knobs(Settings.model_validate(given.get("settings", {})), knobs)
        super().__init__(**given)

    def model_post_init(self, _context: Any, /) -> None:
        """Prepare what is made when first used."""
        self._graph = once(self._make_graph)
        noting = NotesRun()
        if isinstance(self.callbacks, BaseCallbackManager):
            self.callbacks = self.callbacks.copy()
            self.callbacks.add_handler(noting, inherit=False)
        else:
            self.callbacks = [*(self.callbacks or []), noting]
        self._settings({})

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
        graph = self._graph()
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

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        settings = with_knobs(self.settings, {name: value for name, value in given.items() if name != "stream"})
        if settings.skip_specialists:
            raise ConfigurationError("skip_specialists calls no model, so that a chat model has nothing to answer")
        return settings

    def _make_graph(self) -> Any:
        if self.graph is not None:
            return self.graph
        from omni_router.graph import build_graph, graph
        from omni_router.services import Services

        if self.services is not None:
            return build_graph(self.services).compile(name="omni_router")
        if self.api_key is not None:
            services = Services.from_environment(token=self.api_key.get_secret_value())
            return build_graph(services).compile(name="omni_router")
        return graph

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
