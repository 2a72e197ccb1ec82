"""A chat model's fields, and how it is made, copied, pickled, shown and measured; its calls are in `chat_model`."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.messages import BaseMessage
from pydantic import Field, SecretStr
from typing_extensions import Self

from omni_router.agents.isolation import NotesRun
from omni_router.agents.lazy_graph import LazyGraph, Sources
from omni_router.agents.overrides import read_fields, refuse_routing_only, with_knobs
from omni_router.agents.profile import DEFAULT_PROFILE
from omni_router.agents.tokens import estimate_message_tokens, estimate_tokens
from omni_router.config.settings import Settings, SettingsFields


class BaseChatOmni(BaseChatModel, SettingsFields):
    """The part of `ChatOmni` that does not call a model."""

    # Compiled; its checkpointer is not used, and its own settings give way to these. By default made when first used.
    graph: Any = Field(default=None, exclude=True, repr=False)
    services: Any = Field(default=None, exclude=True, repr=False)  # what the default graph works with
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)  # a token of Hugging Face
    streaming: bool = False  # whether `invoke`, too, has the specialist stream
    # Not for callers. A field, since LangChain makes a configurable model anew from its fields for each call.
    lazy_graph: Any = Field(default=None, exclude=True, repr=False)

    def model_post_init(self, _context: Any, /) -> None:
        """Listen to the runs of this model, and prepare its graph."""
        self.lazy_graph = self.lazy_graph or LazyGraph(self._sources())
        if isinstance(self.callbacks, BaseCallbackManager):
            self.callbacks = self.callbacks.copy()
            if not any(isinstance(handler, NotesRun) for handler in self.callbacks.handlers):
                self.callbacks.add_handler(NotesRun(), inherit=False)
        elif not any(isinstance(handler, NotesRun) for handler in self.callbacks or []):
            self.callbacks = [*(self.callbacks or []), NotesRun()]

    @property
    def settings(self) -> Settings:
        """The settings of a run."""
        return with_knobs(Settings(), {name: getattr(self, name) for name in Settings.model_fields})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the model; `update` is read like the parameters of a new one.

        Raises:
            ConfigurationError: `skip_specialists` is set.
            InvalidRequest: a parameter is unknown, or not allowed.
        """
        given = dict(update or {})
        parameters = {} if "settings" in given else dict(self.settings)
        source = deepcopy(self) if deep else self
        fields = read_fields({**parameters, **given}, self._own_field_names())
        copied = super(BaseChatOmni, source).model_copy(update=fields)
        copied.model_post_init(None)  # it may have been given other callbacks
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy all but live objects, which the copy shares."""
        memo = {} if memo is None else memo
        live = (self.graph, self.services, self.callbacks, self.cache, self.rate_limiter)
        memo.update((id(each), each) for each in live)
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        """Return what a pickle holds: neither token nor graph.

        Raises:
            TypeError: the model was given live objects, and would be another one without them.
        """
        for name in ("graph", "services"):
            if getattr(self, name) is not None:
                raise TypeError(
                    f"cannot pickle a ChatOmni that was given {name}: pickle one without, and give {name} to what "
                    f"comes out: model.model_copy(update={{'{name}': {name}}})"
                )
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "api_key": None, "lazy_graph": None}}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Return what differs from a plain `ChatOmni()`."""
        for name, value in super().__repr_args__():
            if name == "callbacks" and isinstance(value, list):
                if handlers := [handler for handler in value if not isinstance(handler, NotesRun)]:
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
            NotImplementedError: there is no such function; which model's tokens they would be is not known beforehand.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError(
                "a text has no token ids before a model is chosen for it: give custom_get_token_ids, or use "
                "get_num_tokens for an estimate"
            )
        return self.custom_get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, one for four bytes; `custom_get_token_ids` counts if it is given."""
        return estimate_tokens(text) if self.custom_get_token_ids is None else len(self.get_token_ids(text))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the tokens of messages, of their images and tool calls, and of the schemas of tools."""
        return estimate_message_tokens(messages, tools, count=self.get_num_tokens)

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        settings = with_knobs(self.settings, {name: value for name, value in given.items() if name != "stream"})
        refuse_routing_only(settings)
        return settings

    def _compiled(self) -> Any:
        sources = self._sources()
        if self.lazy_graph is None or not self.lazy_graph.is_made_from(sources):  # of a copy, or a field was set
            self.lazy_graph = LazyGraph(sources)
        return self.lazy_graph.compiled()

    def _sources(self) -> Sources:
        return Sources(self.graph, self.services, self.api_key)
