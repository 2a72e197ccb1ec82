"""The fields of a chat model, and how it is built, copied, pickled, shown and measured; `chat_model` has its calls."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.messages import BaseMessage
from pydantic import Field, SecretStr
from typing_extensions import Self

from omni_router.agents.isolation import RunIdRecorder
from omni_router.agents.parameters import read_fields, refuse_routing_only, update_settings
from omni_router.agents.profile import DEFAULT_PROFILE, estimate_message_tokens, estimate_tokens
from omni_router.config.settings import Settings, SettingsFields
from omni_router.services import lazy


class GraphSource(NamedTuple):
    """What a graph is built from: a compiled one, else services, else a token, else the environment."""

    graph: Any
    services: Any
    api_key: SecretStr | None


class LazyGraph:
    """A graph that is compiled once, from any number of threads, and shared by all copies of a model."""

    def __init__(self, source: GraphSource) -> None:
        """Store what the graph is built from."""
        self.source = source
        self.compiled = lazy(self._compile)

    def __deepcopy__(self, _memo: dict[int, Any]) -> "LazyGraph":
        """Return itself: its connections and loaded models cannot be copied."""
        return self

    def is_built_from(self, source: GraphSource) -> bool:
        """Check that these are the same objects; a token is compared by its value."""
        same_objects = self.source.graph is source.graph and self.source.services is source.services
        return same_objects and self.source.api_key == source.api_key

    def _compile(self) -> Any:
        if self.source.graph is not None:
            return self.source.graph
        from omni_router.graph import build_graph, graph
        from omni_router.services import Services

        if self.source.services is not None:
            services = self.source.services
        elif self.source.api_key is not None:
            services = Services.from_environment(token=self.source.api_key.get_secret_value())
        else:
            return graph
        return build_graph(services).compile(name="omni_router")


class BaseChatOmni(BaseChatModel, SettingsFields):
    """The part of `ChatOmni` that does not call a model."""

    # Compiled; its checkpointer is not used, and these settings replace its own. By default it is built at first use.
    graph: Any = Field(default=None, exclude=True, repr=False)
    services: Any = Field(default=None, exclude=True, repr=False)  # for the default graph
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)  # a Hugging Face token
    streaming: bool = False  # whether the specialist streams under `invoke` too
    # Not for callers. It is a field because LangChain rebuilds a configurable model from its fields for each call.
    lazy_graph: Any = Field(default=None, exclude=True, repr=False)

    def model_post_init(self, _context: Any, /) -> None:
        """Record the runs of this model, and prepare its graph."""
        self.lazy_graph = self.lazy_graph or LazyGraph(self._source())
        if isinstance(self.callbacks, BaseCallbackManager):
            self.callbacks = self.callbacks.copy()
            if not _has_recorder(self.callbacks.handlers):
                self.callbacks.add_handler(RunIdRecorder(), inherit=False)
        elif not _has_recorder(self.callbacks or []):
            self.callbacks = [*(self.callbacks or []), RunIdRecorder()]

    @property
    def settings(self) -> Settings:
        """The settings of a run."""
        return update_settings(Settings(), {name: getattr(self, name) for name in Settings.model_fields})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy of the model; `update` is read like the parameters of a new one.

        Raises:
            ConfigurationError: `skip_specialists` is set.
            InvalidRequest: a parameter is unknown, or not allowed.
        """
        parameters = dict(update or {})
        if "settings" not in parameters:
            parameters = {**dict(self.settings), **parameters}
        source = deepcopy(self) if deep else self
        fields = read_fields(parameters, self._own_field_names())
        copied = super(BaseChatOmni, source).model_copy(update=fields)
        copied.model_post_init(None)  # the callbacks may be among the changes
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a deep copy that shares live objects."""
        if memo is None:
            memo = {}
        for shared in (self.graph, self.services, self.callbacks, self.cache, self.rate_limiter):
            memo[id(shared)] = shared
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state to pickle, without token and graph.

        Raises:
            TypeError: the model has live objects, and would be another model without them.
        """
        for name in ("graph", "services"):
            if getattr(self, name) is not None:
                raise TypeError(
                    f"cannot pickle a ChatOmni that was given {name}: pickle a model without it, and add {name} after "
                    f"loading: model.model_copy(update={{'{name}': {name}}})"
                )
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "api_key": None, "lazy_graph": None}}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the arguments that differ from those of a plain `ChatOmni()`."""
        for name, value in super().__repr_args__():
            if name == "callbacks" and isinstance(value, list):
                if handlers := [handler for handler in value if not isinstance(handler, RunIdRecorder)]:
                    yield name, handlers
            elif (name, value) != ("profile", DEFAULT_PROFILE):
                yield name, value

    @classmethod
    def _own_field_names(cls) -> set[str]:
        return {*cls.model_fields} - {*Settings.model_fields}

    def _resolve_model_profile(self) -> ModelProfile:
        return DEFAULT_PROFILE.copy()

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text by `custom_get_token_ids`.

        Raises:
            NotImplementedError: there is no such function, and it is not known beforehand which model will answer.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError(
                "the token ids of a text are unknown until a model is chosen: pass custom_get_token_ids, or use "
                "get_num_tokens for an estimate"
            )
        return self.custom_get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Return roughly how many tokens a text has; with `custom_get_token_ids`, exactly."""
        if self.custom_get_token_ids is None:
            return estimate_tokens(text)
        return len(self.get_token_ids(text))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return roughly how many tokens messages have, with images, tool calls and the schemas of tools."""
        return estimate_message_tokens(messages, tools, count=self.get_num_tokens)

    def _call_settings(self, parameters: Mapping[str, Any]) -> Settings:
        changes = {name: value for name, value in parameters.items() if name != "stream"}
        settings = update_settings(self.settings, changes)
        refuse_routing_only(settings)
        return settings

    def _compiled(self) -> Any:
        source = self._source()
        if self.lazy_graph is None or not self.lazy_graph.is_built_from(source):  # this is a copy, or a field was set
            self.lazy_graph = LazyGraph(source)
        return self.lazy_graph.compiled()

    def _source(self) -> GraphSource:
        return GraphSource(self.graph, self.services, self.api_key)


def _has_recorder(handlers: Sequence[Any]) -> bool:
    return any(isinstance(handler, RunIdRecorder) for handler in handlers)
