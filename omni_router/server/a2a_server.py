"""The graph as an A2A agent: its card, and tasks whose artifact is the answer."""

import time
from typing import Any

from a2a.helpers import new_data_part, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.context import ServerCallContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes import DefaultServerCallContextBuilder, create_jsonrpc_routes
from a2a.server.tasks import TaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, ListTasksRequest, Part, TaskState
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from a2a.utils.errors import InvalidParamsError
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.server.a2a_messages import ANSWER, answer_parts, turns_of, user_message_of
from omni_router.server.a2a_tasks import HostTasks, owner_of
from omni_router.server.call import Compiled, call_graph, config_for, identity_of, services_of
from omni_router.summary import summarize

PATH = "/a2a"
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
                self._graph, messages, Settings(), config=config, tell=teller.event, tell_token=teller.token
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
    summary, text = summarize(result), result["messages"][-1].text
    parts = await to_thread.run_sync(answer_parts, text, summary)
    if summary["error"]:
        await updater.failed(updater.new_agent_message(parts))
        return
    await updater.add_artifact(parts, ANSWER, ANSWER, append=False, last_chunk=True)
    await updater.complete()


class WithIdentity(DefaultServerCallContextBuilder):
    """Says who asks, by the identity that the server's own authentication found."""

    def build(self, request: Request) -> ServerCallContext:
        """Make the context of one request."""
        context = super().build(request)
        context.state["identity"] = identity_of(request.scope.get("user"))
        return context


def agent_card(graph: Compiled, url: str) -> AgentCard:
    """Describe the agent; each route of the policy is a skill."""
    routes = services_of(graph).policy.routes()
    return AgentCard(
        name="omni-router",
        description="Answers by the Hugging Face model that fits: text, pictures, questions about pictures.",
        version="1",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version) for version in ("1.0", "0.3")
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain", "image/png", "image/jpeg", "image/webp", "image/gif"],
        default_output_modes=["text/plain", "application/json", "image/png"],
        skills=[
            AgentSkill(id=r.name, name=r.name, description=r.description, tags=[r.task], examples=r.examples[:3])
            for r in routes
        ],
    )


def a2a_routes(graph: Compiled) -> list[BaseRoute]:
    """Give `/a2a` (JSON-RPC, A2A 1.0 and 0.3) and the agent's card at its well-known path."""
    tasks = HostTasks()
    plain = AgentCard(name="omni-router", capabilities=AgentCapabilities(streaming=True))
    handler = DefaultRequestHandler(OmniExecutor(graph, tasks), tasks, plain)

    async def card(request: Request) -> JSONResponse:
        described = await to_thread.run_sync(agent_card, graph, str(request.base_url).rstrip("/") + PATH)
        return JSONResponse(agent_card_to_dict(described))

    rpc = create_jsonrpc_routes(handler, PATH, WithIdentity(), enable_v0_3_compat=True)
    return [Route(AGENT_CARD_WELL_KNOWN_PATH, card), *rpc]
