"""Run nodes on threads of our own, so that slow calls neither wait for each other nor for asyncio's few."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, run_in_executor, set_config_context
from langgraph.runtime import get_runtime

from omni_router.config.routes import parameters_of
from omni_router.config.settings import Settings, resolve_settings
from omni_router.hub.cancellation import cancelled_after
from omni_router.nodes._budget import within_budget
from omni_router.nodes._bulkhead import Bulkheads, not_called_because
from omni_router.services import Services
from omni_router.services.container import thread_count
from omni_router.state import State

Node = Callable[[State, Settings, Services], dict[str, Any]]
Pool = Literal["routing", "specialists", "others"]


class ThreadedNode(Runnable[State, dict[str, Any]]):
    """A plain node function as a graph node, called with its services and the run's settings.

    Under `ainvoke` and `astream` it runs in a pool of `OMNI_THREADS` (64) threads, with the run's context, so that
    token streams and custom events arrive under every form of call. Routing, the nodes that call specialists, and all
    others have a pool each: a run is routed, and one that was answered recorded, without queueing behind the models of
    others, and of many runs that begin at once the first calls its model while the last waits to be routed.
    Of the specialists' threads a model gets no more than seven eighths.
    """

    def __init__(self, node: Node, *, pool: Pool, services: Callable[[], Services], settings: Settings) -> None:
        self.node, self.pool, self.services, self.settings = node, pool, services, settings
        self.name = node.__name__

    def invoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:  # noqa: A002
        """Run the node on the caller's thread."""
        with set_config_context(ensure_config(config)) as context:
            return context.run(self._call, input)

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:  # noqa: A002
        """Run the node on one of our threads; when the run is cancelled, close the connection to the model."""
        decision = input.get("decision")
        if self.pool != "specialists" or decision is None or decision["model"] is None:
            return await self._on_a_thread(input, config, self.pool)
        async with bulkheads().slot(decision["model"]) as reason:
            if reason:  # the call is refused at once, and needs none of the threads that may all be waiting
                return await self._on_a_thread(input, config, "others", reason)
            return await self._on_a_thread(input, config, self.pool)

    async def _on_a_thread(
        self, state: State, config: RunnableConfig | None, pool: Pool, reason: str | None = None
    ) -> dict[str, Any]:
        with set_config_context(ensure_config(config)) as context, cancelled_after(context):
            # In a copy: the end of the block enters the context, and a cancelled thread may still be in it.
            return await run_in_executor(thread_pool(pool), context.copy().run, self._refused_or_called, state, reason)

    def _refused_or_called(self, state: State, reason: str | None) -> dict[str, Any]:
        with not_called_because(reason):
            return self._call(state)

    def _call(self, state: State) -> dict[str, Any]:
        services = self.services()
        settings = within_budget(self._settings(state, services), state, services)
        if services.observer is None:
            return self.node(state, settings, services)
        run = partial(self.node, state, settings, services)
        return services.observer.wrap_node(self.node.__name__, state, settings, run)

    def _settings(self, state: State, services: Services) -> Settings:
        """Return the settings of the run; those of a specialist with the parameters of its route."""
        settings = resolve_settings(get_runtime().context, self.settings).filled_from(services.defaults)
        decision = state["decision"] if self.pool == "specialists" else None
        if decision is None:
            return settings
        return settings.for_route(parameters_of(services.policy, decision["route"]))


@cache
def bulkheads() -> Bulkheads:
    """Return the limits on the threads of each model."""
    return Bulkheads(max(1, thread_count() * 7 // 8))


@cache
def thread_pool(name: Pool) -> ThreadPoolExecutor:
    """Return the threads of a pool."""
    return ThreadPoolExecutor(thread_count(), thread_name_prefix=f"omni-router {name}")
