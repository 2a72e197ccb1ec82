"""Run the graph for an A2A task, and forward its events to the client."""

import time
from contextlib import aclosing
from typing import Any

from a2a.helpers import new_data_part, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskStore, TaskUpdater
from a2a.types import ListTasksRequest, Message, Part, TaskState
from a2a.utils.errors import InvalidParamsError
from anyio import to_thread
from langchain_core.messages import AIMessageChunk, AnyMessage

from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.events import DecisionMade, Finished, RunEvent, Token, astream
from omni_router.hints import SERVER
from omni_router.run_result import RunResult
from omni_router.server.a2a.messages import (
    ANSWER,
    answer_parts,
    asks_for_another_model,
    turns_of,
    user_message_of,
)
from omni_router.server.a2a.tasks import owner_of
from omni_router.server.graph_access import Compiled, config_for, settings_with

INTERVAL = 0.2  # seconds between two updates of an answer: the task is stored at each
MAX_TURNS = 20  # turns of a conversation that are read from its tasks


class OmniExecutor(AgentExecutor):
    """Runs the graph for a task."""

    def __init__(self, graph: Compiled, tasks: TaskStore) -> None:
        self._graph, self._tasks = graph, tasks

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer the message of a task; a failure is explained in the message of its last status."""
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
        forwarder = EventForwarder(updater)
        try:
            another = asks_for_another_model(context.message)
            messages = await self._conversation(context, context.message, another=another)
            config = config_for(owner_of(context.call_context))
            settings = settings_with(self._graph, another=another)
            run = astream(self._graph, {"messages": messages}, config, context=settings)
            async with aclosing(run) as events:
                async for event in events:
                    await forwarder.on_event(event)
        except InvalidRequest as error:
            await updater.reject(updater.new_agent_message([new_text_part(str(error))]))
        except OmniRouterError as error:
            await updater.failed(updater.new_agent_message([new_text_part(str(error))]))
        else:
            await forwarder.finish()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Report that the task is cancelled; its run already is."""
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()

    async def _conversation(self, context: RequestContext, message: Message, *, another: bool) -> list[AnyMessage]:
        """Return the messages before this one, and it, unless it only asks for another answer to them."""
        messages = await turns_of(await self._earlier(context))
        if not (another and messages):
            messages.append(await user_message_of(message))
        return messages

    async def _earlier(self, context: RequestContext) -> list[Any]:
        request = ListTasksRequest(context_id=context.context_id, page_size=MAX_TURNS)
        response = await self._tasks.list(request, context.call_context)
        return [task for task in reversed(response.tasks) if task.id != context.task_id]


class EventForwarder:
    """Forwards the events of one run to a task."""

    def __init__(self, updater: TaskUpdater) -> None:
        self._updater = updater
        self._pending, self._sent_at, self._appending = "", time.monotonic(), False
        self._state: dict[str, Any] = {}

    async def on_event(self, event: RunEvent) -> None:
        """Forward an event; the others are not for clients."""
        match event:
            case DecisionMade():
                await self.on_decision(event)
            case Token(message=AIMessageChunk()):  # a whole message comes with the end anyway
                await self.on_token(event)
            case Finished():
                self._state = event.state

    async def on_decision(self, event: DecisionMade) -> None:
        """Report a decision as the status of a task in progress."""
        result = RunResult.from_state({"decision": event.decision})
        parts = [
            new_text_part(f"{result.route}: {result.model} ({result.reason})"),
            new_data_part({"decision": event.decision}, media_type="application/json"),
        ]
        self._pending, self._appending = "", False  # after a fallback the answer begins anew
        await self._updater.update_status(TaskState.TASK_STATE_WORKING, self._updater.new_agent_message(parts))

    async def on_token(self, token: Token) -> None:
        """Append tokens to the artifact, several at once."""
        self._pending += token.text
        if token.text and time.monotonic() - self._sent_at >= INTERVAL:
            text, self._pending, self._sent_at = self._pending, "", time.monotonic()
            await self._updater.add_artifact(
                [Part(text=text)], ANSWER, ANSWER, append=self._appending, last_chunk=False
            )
            self._appending = True

    async def finish(self) -> None:
        """Replace the streamed text by the whole answer, or report the failure."""
        result = RunResult.from_state(self._state)
        public = result.redact_paths().for_audience(SERVER)
        parts = await to_thread.run_sync(answer_parts, public.text(self._state), result)
        if result.error:
            await self._updater.failed(self._updater.new_agent_message(parts))
            return
        await self._updater.add_artifact(parts, ANSWER, ANSWER, append=False, last_chunk=True)
        await self._updater.complete()
