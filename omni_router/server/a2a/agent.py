"""Runs the graph for an A2A task, and tells of it as it goes on."""

import time
from typing import Any

from a2a.helpers import new_data_part, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskStore, TaskUpdater
from a2a.types import ListTasksRequest, Part, TaskState
from a2a.utils.errors import InvalidParamsError
from anyio import to_thread

from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.events import explanation, for_the_network, summarize
from omni_router.server.a2a.messages import ANSWER, answer_parts, turns_of, user_message_of
from omni_router.server.a2a.tasks import owner_of
from omni_router.server.graph_access import Compiled, call_graph, config_for, settings_with

PAUSE = 0.2  # seconds between two pieces of an answer: each is a task to store
TURNS = 20  # of a conversation, read back from its tasks


class OmniExecutor(AgentExecutor):
    """Runs the graph for one task."""

    def __init__(self, graph: Compiled, tasks: TaskStore) -> None:
        self._graph, self._tasks = graph, tasks

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer the message of a task; what went wrong is the message of its last status."""
        if context.message is None or context.task_id is None or context.context_id is None:
            raise InvalidParamsError("a message is needed")
        if context.current_task is None:
            try:
                task = new_task_from_user_message(context.message)
            except ValueError as error:
                raise InvalidParamsError(str(error)) from error
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        teller = Teller(updater)
        try:
            messages = [*await turns_of(await self._earlier(context)), await user_message_of(context.message)]
            config = config_for(owner_of(context.call_context))
            result = await call_graph(
                self._graph,
                messages,
                settings_with(self._graph),
                config=config,
                tell=teller.event,
                tell_token=teller.token,
            )
        except InvalidRequest as error:
            await updater.reject(updater.new_agent_message([new_text_part(str(error))]))
        except OmniRouterError as error:
            await updater.failed(updater.new_agent_message([new_text_part(str(error))]))
        else:
            await _finish(updater, result)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Say that the task is cancelled; its run has been by then."""
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()

    async def _earlier(self, context: RequestContext) -> list[Any]:
        wanted = ListTasksRequest(context_id=context.context_id, page_size=TURNS)
        found = await self._tasks.list(wanted, context.call_context)
        return [task for task in reversed(found.tasks) if task.id != context.task_id]


class Teller:
    """Passes on the decision and the tokens of one run."""

    def __init__(self, updater: TaskUpdater) -> None:
        self._updater = updater
        self._waiting, self._told_at, self._begun = "", time.monotonic(), False

    async def event(self, event: dict[str, Any]) -> None:
        """Tell a decision as the status of a task that is worked on."""
        if event.get("event") != "decision":
            return
        decision = event["decision"]
        parts = [
            new_text_part(f"{decision['route']}: {decision['model']} ({decision['reason']})"),
            new_data_part({"decision": decision}, media_type="application/json"),
        ]
        self._waiting, self._begun = "", False  # after a fallback the answer begins anew
        await self._updater.update_status(TaskState.TASK_STATE_WORKING, self._updater.new_agent_message(parts))

    async def token(self, token: str) -> None:
        """Tell tokens as pieces of the artifact, a few together."""
        self._waiting += token
        if time.monotonic() - self._told_at >= PAUSE:
            piece, self._waiting, self._told_at = self._waiting, "", time.monotonic()
            await self._updater.add_artifact([Part(text=piece)], ANSWER, ANSWER, append=self._begun, last_chunk=False)
            self._begun = True


async def _finish(updater: TaskUpdater, result: dict[str, Any]) -> None:
    """Give the whole answer in place of its pieces, or the explanation of a failure."""
    summary = summarize(result)
    told = for_the_network(summary)
    text = told["answer"] or explanation(told, result)
    parts = await to_thread.run_sync(answer_parts, text, summary)
    if summary["error"]:
        await updater.failed(updater.new_agent_message(parts))
        return
    await updater.add_artifact(parts, ANSWER, ANSWER, append=False, last_chunk=True)
    await updater.complete()
