"""Where the soak test asks: the graph here and in a worker, `/v1`, the LangGraph dev server, and A2A on it."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.load_memory import listener
from benchmarks.soak.processes import LATENCY, Api, CutOffError, Summary, Worker, WrongShapeError, pause, variables
from benchmarks.soak.questions import Question
from omni_router.summary import summarize
from tests.dev_server import dev_server
from tests.server.pictures import DOT

CHUNK_DELAY = 0.005  # seconds between two pieces, where this can be set
LIMIT = 300.0  # seconds until a run that has not ended counts as stuck: a router loads within a minute
FOR_WORKER = 8  # each eighth question about the graph goes to the worker

Events = AsyncGenerator[Summary | None, None]  # None for a piece of the answer; then how the run ended
Trouble = Callable[[float], Awaitable[None]]  # takes seconds


@dataclass
class Place:
    """One way of asking."""

    name: str
    ask: Callable[[Question], Events]
    outputs: Path  # OMNI_OUTPUT_DIR of whoever answers
    pid: Callable[[], int]  # of the process that is watched
    hang: Trouble
    kill: Trouble | None = None

    @property
    def policy(self) -> Path:
        """The policy file, which holds the history."""
        return self.outputs / "sandbox" / "route_config.json"


@asynccontextmanager
async def graph(folder: Path) -> AsyncIterator[list[Place]]:
    """Give the graph in this process, and in a worker that shares its policy file."""
    from omni_router import Services, build_graph, sandbox, user_message
    from omni_router.config.environment import Environment

    os.environ |= variables(folder)
    worker = Worker(folder)
    with sandbox(LATENCY, CHUNK_DELAY) as box:
        compiled: Any = build_graph(Services.from_environment(Environment.read())).compile()

        async def ask(question: Question) -> Events:
            box.requests.clear()  # it keeps ten thousand, which would be taken for a leak
            given = {"messages": [user_message(question.text, DOT if question.picture else None)]}
            if question.number % FOR_WORKER == 0:
                yield await worker.ask(question)
            elif not question.stream:
                yield summarize(await compiled.ainvoke(given))
            else:
                result: dict[str, Any] = {}
                async with aclosing(compiled.astream(given, stream_mode=["messages", "values"])) as parts:
                    async for mode, part in parts:
                        if mode == "values":
                            result = part
                        else:
                            yield None
                yield summarize(result)

        await worker.start()
        try:
            yield [Place("graph", ask, folder / "outputs", os.getpid, lambda s: pause(worker.pid, s), worker.kill)]
        finally:
            await worker.close()


@asynccontextmanager
async def chat_completions(folder: Path) -> AsyncIterator[list[Place]]:
    """Give `/v1` of `omni-router serve`."""
    api = Api(folder)
    async with _client() as client:

        async def ask(question: Question) -> Events:
            await api.is_up.wait()
            lives = api.lives
            body = {"model": "omni", "stream": question.stream, "messages": [_message(question)]}
            try:
                async with client.stream("POST", f"{api.url}/chat/completions", json=body) as response:
                    if response.headers.get("content-type", "").startswith("text/event-stream"):
                        async for event in _completion_of(response):
                            yield event
                    else:
                        yield _completion(json.loads(await response.aread()), response.status_code)
            except httpx.TransportError as error:
                if api.lives != lives:
                    raise CutOffError from error
                raise

        await api.start()
        try:
            yield [Place("/v1", ask, folder / "outputs", lambda: api.pid, lambda s: pause(api.pid, s), api.kill)]
        finally:
            await api.close()


def _completion(body: Any, status: int) -> Summary:
    told = body.get("omni")
    if status == httpx.codes.INTERNAL_SERVER_ERROR or not told:
        raise WrongShapeError(f"HTTP {status}: {json.dumps(body)[:300]}")
    if "error" in body:
        return {**told, "answer": None}
    return {**told, "answer": body["choices"][0]["message"]["content"]}


async def _completion_of(response: httpx.Response) -> Events:
    """Read a completion in pieces."""
    text = ""
    async for line in response.aiter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        body = json.loads(line.removeprefix("data: "))
        if "error" in body:
            yield _completion(body, response.status_code)
            return
        [choice] = body["choices"]
        text += choice["delta"].get("content") or ""
        if choice["finish_reason"]:
            yield {**body["omni"], "answer": text}
            return
        if text:
            yield None


@asynccontextmanager
async def langgraph_server(folder: Path) -> AsyncIterator[list[Place]]:
    """Give runs of the LangGraph dev server, and A2A on the same one."""
    from langgraph_sdk.client import LangGraphClient

    with ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, dev_server(folder, **variables(folder)))
        pid = listener(int(url.rpartition(":")[2])) or 0
        async with _client(url) as client:
            runs = LangGraphClient(client).runs

            async def ask(question: Question) -> Events:
                given: Any = {"messages": [_message(question)]}
                if not question.stream:
                    found = await runs.wait(None, "omni_router", input=given, on_disconnect="cancel")
                    yield _summary_of(found)
                    return
                modes: Any = ["messages-tuple", "values"]
                result: Any = None
                parts: Any = runs.stream(None, "omni_router", input=given, stream_mode=modes, on_disconnect="cancel")
                async with aclosing(parts):
                    async for part in parts:
                        if part.event == "error":
                            raise WrongShapeError(f"an event `error`: {part.data}")
                        result = part.data if part.event == "values" else result
                        if part.event == "messages":
                            yield None
                yield _summary_of(result)

            shared: Any = (folder / "outputs", lambda: pid, lambda seconds: pause(pid, seconds))
            yield [Place("LangGraph server", ask, *shared), Place("A2A", await a2a_agent(url, client), *shared)]


def _summary_of(result: Any) -> Summary:
    """Sum up a graph's output as it comes over the network."""
    if not isinstance(result, dict) or not result.get("decision"):
        raise WrongShapeError(f"no output of the graph: {json.dumps(result)[:300]}")
    decision = result["decision"]
    told = {name: decision[name] for name in ("id", "route", "task", "model")}
    answer = result["messages"][-1]["content"] if not result.get("error") else None
    return {**told, "attempts": result.get("attempts") or [], "error": result.get("error"), "answer": answer}


async def a2a_agent(url: str, http: httpx.AsyncClient) -> Callable[[Question], Events]:
    """Return how the agent of a server is asked, with the client of A2A's own SDK."""
    from a2a.client import ClientConfig, create_client
    from a2a.types import Message, Part, Role, SendMessageRequest

    clients = [await create_client(url, ClientConfig(streaming=s, httpx_client=http)) for s in (False, True)]

    async def ask(question: Question) -> Events:
        parts = [Part(text=question.text), *([Part(url=DOT)] if question.picture else [])]
        message = Message(role=Role.ROLE_USER, message_id=uuid4().hex, parts=parts)
        answers: Any = clients[question.stream].send_message(SendMessageRequest(message=message))
        ends: list[Summary] = []
        async with aclosing(answers):
            async for answer in answers:
                ends += _a2a_summaries(answer)
                yield None
        if not ends:
            raise WrongShapeError(f"the task ended without a summary: {answer}")
        yield ends[-1]

    return ask


def _a2a_summaries(answer: Any) -> list[Summary]:
    """Find the summary of a run, with its answer, where an answer of the agent holds it."""
    from a2a.helpers import get_data_parts, get_text_parts

    kind = answer.WhichOneof("payload")
    if kind == "task":
        found = [*(each.parts for each in answer.task.artifacts), answer.task.status.message.parts]
    else:
        found = [answer.artifact_update.artifact.parts, answer.status_update.status.message.parts]
    return [
        {**data, "answer": "\n".join(get_text_parts(parts))}
        for parts in found
        for data in get_data_parts(parts)
        if isinstance(data, dict) and "attempts" in data
    ]


def _message(question: Question) -> dict[str, Any]:
    if not question.picture:
        return {"role": "user", "content": question.text}
    image = {"type": "image_url", "image_url": {"url": DOT}}
    return {"role": "user", "content": [{"type": "text", "text": question.text}, image]}


def _client(url: str = "") -> httpx.AsyncClient:
    # No connection is kept between two requests: an idle one would look like a leak of the server.
    return httpx.AsyncClient(base_url=url, timeout=LIMIT, limits=httpx.Limits(max_keepalive_connections=0))


PLACES = (graph, chat_completions, langgraph_server)
