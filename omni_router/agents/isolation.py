"""A run inside another run that takes no part in its stream, its checkpoints and its stop signals.

LangGraph takes a graph that is called in a node for a subgraph of that node's graph, and LangChain hands whoever
listens to a run to all runs inside it. A chat model has to give each token once, in a run of its own, so the graph
behind it runs in a context that knows nothing of the run around. Tracers are handed on: traces nest.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config, set_config_context
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer
from langgraph.config import get_store, get_stream_writer
from langgraph.constants import TAG_NOSTREAM

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

Part = TypeVar("Part")

_current_run: ContextVar[UUID | None] = ContextVar("omni_router_chat_run", default=None)

# Where in a graph the run around stands, and which model it calls: wrong of a run inside.
_OF_THE_RUN_AROUND = ("langgraph_", "checkpoint_", "ls_")


class NotesRun(BaseCallbackHandler):
    """Notes which run of a chat model begins: LangChain does not tell `_stream`, and traces should nest there too."""

    run_inline = True  # in the caller's context, or the note would be lost

    def on_chat_model_start(self, *_args: Any, run_id: UUID, **_: Any) -> None:
        """Note the run."""
        _current_run.set(run_id)


def tracers(run: BaseRunManager | None = None) -> CallbackManager:
    """Give the callbacks of a run inside: the tracers of `run`, else of the run around."""
    around = run or get_callback_manager_for_config(ensure_config())
    parent = around.run_id if isinstance(around, BaseRunManager) else _current_run.get() or around.parent_run_id
    inside = CallbackManager(handlers=[], parent_run_id=parent)
    inside.set_handlers([handler for handler in around.inheritable_handlers if _traces(handler)])
    inside.add_tags([tag for tag in around.inheritable_tags if tag != TAG_NOSTREAM])
    metadata = around.inheritable_metadata
    inside.add_metadata({key: value for key, value in metadata.items() if not key.startswith(_OF_THE_RUN_AROUND)})
    return inside


def _traces(handler: BaseCallbackHandler) -> bool:
    # Others count calls and tokens, and would count them twice. Those with that method listen to tokens to stream them.
    return isinstance(handler, BaseTracer | AsyncBaseTracer) and not hasattr(handler, "tap_output_iter")


def store_around() -> "BaseStore | None":
    """Find the store of the run around: a history may be kept in it."""
    try:
        return get_store()
    except (RuntimeError, KeyError):  # there is no run around
        return None


def writer_around() -> Callable[[Any], None]:
    """Find where the run around streams its custom events."""
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # there is no run around
        return lambda _event: None


def stream_apart(parts: Callable[[], Iterator[Part]]) -> Iterator[Part]:
    """Go through what `parts` gives in a context without a run around."""
    with set_config_context(RunnableConfig()) as context:
        iterator = context.run(parts)
        done = object()
        try:
            while (part := context.run(next, iterator, done)) is not done:
                yield part  # type: ignore[misc]
        finally:
            if hasattr(iterator, "close"):
                context.run(iterator.close)


async def astream_apart(parts: Callable[[], AsyncIterator[Part]]) -> AsyncIterator[Part]:
    """Go through what `parts` gives in a task whose context has no run around."""
    arrived: asyncio.Queue[tuple[Part] | None] = asyncio.Queue()

    async def collect() -> None:
        try:
            async for part in parts():
                arrived.put_nowait((part,))
        finally:
            arrived.put_nowait(None)

    with set_config_context(RunnableConfig()) as context:
        task = context.run(asyncio.ensure_future, collect())  # a task keeps the context it is made in
        try:
            while (item := await arrived.get()) is not None:
                yield item[0]
            await task
        finally:
            task.cancel()  # whoever listened is gone; of a task that ended this changes nothing
            await asyncio.wait([task])
