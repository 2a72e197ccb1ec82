"""Run a graph inside another run without taking part in that run's stream, checkpoints and stop signals.

LangGraph treats a graph that is called in a node as a subgraph of that node's graph, and LangChain passes the callbacks
of a run on to all runs inside it. A chat model has to yield each token once, in a run of its own, so the graph behind
it runs in a context that does not know the surrounding run. Tracers are passed on, so that traces nest.
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

T = TypeVar("T")

_current_run: ContextVar[UUID | None] = ContextVar("omni_router_chat_run", default=None)

# Metadata of the surrounding run's place in its graph, and of the model that it calls: wrong for an inner run.
_PARENT_METADATA = ("langgraph_", "checkpoint_", "ls_")


class RunIdRecorder(BaseCallbackHandler):
    """Records which run of a chat model begins: LangChain does not pass it to `_stream`, where traces have to nest."""

    run_inline = True  # run in the caller's context, or the record would be lost

    def on_chat_model_start(self, *_args: Any, run_id: UUID, **_: Any) -> None:
        """Record the run."""
        _current_run.set(run_id)


def inner_callbacks(run: BaseRunManager | None = None) -> CallbackManager:
    """Return the callbacks of an inner run: the tracers of `run`, else of the surrounding run."""
    outer = run or get_callback_manager_for_config(ensure_config())
    parent = outer.run_id if isinstance(outer, BaseRunManager) else _current_run.get() or outer.parent_run_id
    inner = CallbackManager(handlers=[], parent_run_id=parent)
    inner.set_handlers([handler for handler in outer.inheritable_handlers if _traces(handler)])
    inner.add_tags([tag for tag in outer.inheritable_tags if tag != TAG_NOSTREAM])
    metadata = outer.inheritable_metadata
    inner.add_metadata({key: value for key, value in metadata.items() if not key.startswith(_PARENT_METADATA)})
    return inner


def _traces(handler: BaseCallbackHandler) -> bool:
    # Other handlers count calls and tokens, and would count them twice. Those with `tap_output_iter` stream tokens.
    return isinstance(handler, BaseTracer | AsyncBaseTracer) and not hasattr(handler, "tap_output_iter")


def parent_store() -> "BaseStore | None":
    """Return the store of the surrounding run, in which a history may be kept."""
    try:
        return get_store()
    except (RuntimeError, KeyError):  # there is no surrounding run
        return None


def parent_writer() -> Callable[[Any], None]:
    """Return the function that writes to the custom stream of the surrounding run."""
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # there is no surrounding run
        return lambda _event: None


def isolated(iterate: Callable[[], Iterator[T]]) -> Iterator[T]:
    """Call `iterate`, and yield its items, in a context without a surrounding run."""
    with set_config_context(RunnableConfig()) as context:
        iterator = context.run(iterate)
        end = object()
        try:
            while (item := context.run(next, iterator, end)) is not end:
                yield item  # type: ignore[misc]
        finally:
            if hasattr(iterator, "close"):
                context.run(iterator.close)


async def aisolated(iterate: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
    """Call `iterate`, and yield its items, in a task whose context has no surrounding run."""
    queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    async def collect() -> None:
        try:
            async for item in iterate():
                queue.put_nowait((item,))
        finally:
            queue.put_nowait(None)

    with set_config_context(RunnableConfig()) as context:
        task = context.run(asyncio.ensure_future, collect())  # a task keeps the context in which it is created
        try:
            while (entry := await queue.get()) is not None:
                yield entry[0]
            await task
        finally:
            task.cancel()  # nobody reads any more; a task that has ended is not affected
            await asyncio.wait([task])
