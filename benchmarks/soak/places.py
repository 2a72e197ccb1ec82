"""Where the soak test asks: the graph here and in a worker, `/v1`, the LangGraph dev server, and A2A on it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.load_memory import listener
from benchmarks.soak.a2a import ask_a2a
from benchmarks.soak.answers import Ask, CutOffError, Events, Summary, WrongShapeError
from benchmarks.soak.processes import LATENCY, Api, Worker, pause, variables
from benchmarks.soak.questions import Question
from omni_router import user_message
from omni_router.events import Finished, Token, astream
from omni_router.run_result import RunResult
from omni_router.server.a2a.tasks import MAX_TASKS
from omni_router.server.openai.memory import MAX_ANSWERS
from tests.support.dev_server import dev_server
from tests.support.pictures import DOT

CHUNK_DELAY = 0.005  # seconds between two pieces, where this can be set
LIMIT = 300.0  # seconds until a run that has not ended counts as stuck: a router loads within a minute
FOR_WORKER = 8  # each eighth question about the graph goes to the worker
# Bytes of what is kept on purpose, as Python's objects.
RUN = 2_000  # by the dev server itself: measured over 5,000 runs of a graph of six empty nodes, nothing of this package
ALWAYS = 10**9  # runs: without a bound
TASK = 40_000  # of A2A, in the store of the dev server: a list of candidates, for some an image
DECISION = 1_500  # behind an answer of /v1, 1.2 KB measured, and its digest

Trouble = Callable[[float], Awaitable[None]]  # takes seconds


@dataclass
class Place:
    """One way of asking."""

    name: str
    ask: Ask
    outputs: Path  # OMNI_OUTPUT_DIR of whoever answers
    pid: Callable[[], int]  # of the process that is watched
    hang: Trouble
    kill: Trouble | None = None
    keeps: int = 0  # bytes of each run that are kept on purpose,
    of_runs: int = 0  # of so many

    @property
    def policy(self) -> Path:
        """The policy file, which holds the history."""
        return self.outputs / "sandbox" / "route_config.json"


@asynccontextmanager
async def graph(folder: Path) -> AsyncIterator[list[Place]]:
    """Open the graph in this process, and in a worker that shares its policy file."""
    from omni_router import Services, build_graph, sandbox
    from omni_router.config.environment import Environment

    os.environ |= variables(folder)
    worker = Worker(folder)
    with sandbox(LATENCY, CHUNK_DELAY):
        compiled = build_graph(Services.from_environment(Environment.read())).compile()
        await worker.start()
        try:
            ask = ask_graph(compiled, worker)
            yield [Place("graph", ask, folder / "outputs", os.getpid, lambda s: pause(worker.pid, s), worker.kill)]
        finally:
            await worker.close()


def ask_graph(compiled: Any, worker: Worker) -> Ask:
    """Return how the graph is asked."""

    async def ask(question: Question) -> Events:
        if question.number % FOR_WORKER == 0:
            yield await worker.ask(question)
            return
        given = {"messages": [user_message(question.text, DOT if question.picture else None)]}
        if not question.stream:
            yield RunResult.from_state(await compiled.ainvoke(given)).as_json()
            return
        async with aclosing(astream(compiled, given)) as events:
            async for event in events:
                if isinstance(event, Token):
                    yield None
                elif isinstance(event, Finished):
                    yield event.result.as_json()

    return ask


@asynccontextmanager
async def chat_completions(folder: Path) -> AsyncIterator[list[Place]]:
    """Open `/v1` of `omni-router serve`."""
    api = Api(folder)
    try:
        await api.start()
        async with _client() as client:
            ask = ask_api(api, client)
            yield [Place("/v1", ask, folder / "outputs", lambda: api.pid, api.hang, api.kill, DECISION, MAX_ANSWERS)]
    finally:
        await api.close()


def ask_api(api: Api, client: httpx.AsyncClient) -> Ask:
    """Return how `/v1` is asked."""

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

    return ask


def _completion(body: Any, status: int) -> Summary:
    omni = body.get("omni")
    if status == httpx.codes.INTERNAL_SERVER_ERROR or not omni:
        raise WrongShapeError(f"HTTP {status}: {json.dumps(body)[:300]}")
    if "error" in body:
        return {**omni, "answer": None}
    return {**omni, "answer": body["choices"][0]["message"]["content"]}


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
    """Open runs of the LangGraph dev server, and A2A on the same server."""
    from langgraph_sdk.client import LangGraphClient

    with ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, dev_server(folder, **variables(folder)))
        pid = listener(int(url.rpartition(":")[2])) or 0
        async with _client(url) as client:
            shared: tuple[Path, Callable[[], int], Trouble]
            shared = (folder / "outputs", lambda: pid, lambda seconds: pause(pid, seconds))
            yield [
                Place("LangGraph server", ask_runs(LangGraphClient(client).runs), *shared, keeps=RUN, of_runs=ALWAYS),
                Place("A2A", await ask_a2a(url, client), *shared, None, TASK, MAX_TASKS),
            ]


def ask_runs(runs: Any) -> Ask:
    """Return how the LangGraph server is asked: for runs without a thread, which end when their client leaves."""

    async def ask(question: Question) -> Events:
        given: Any = {"input": {"messages": [_message(question)]}, "on_disconnect": "cancel"}
        if not question.stream:
            yield _summary_of(await runs.wait(None, "omni_router", **given))
            return
        result: Any = None
        parts = runs.stream(None, "omni_router", stream_mode=["messages-tuple", "values"], **given)
        async with aclosing(parts):
            async for part in parts:
                if part.event == "error":
                    raise WrongShapeError(f"an event `error`: {part.data}")
                result = part.data if part.event == "values" else result
                if part.event == "messages":
                    yield None
        yield _summary_of(result)

    return ask


def _summary_of(result: Any) -> Summary:
    """Sum up a graph's output as it comes over the network."""
    if not isinstance(result, dict) or not result.get("decision"):
        raise WrongShapeError(f"no output of the graph: {json.dumps(result)[:300]}")
    decision = result["decision"]
    summary = {name: decision[name] for name in ("id", "route", "task", "model")}
    answer = result["messages"][-1]["content"] if not result.get("error") else None
    return {**summary, "attempts": result.get("attempts") or [], "error": result.get("error"), "answer": answer}


def _message(question: Question) -> dict[str, Any]:
    if not question.picture:
        return {"role": "user", "content": question.text}
    image = {"type": "image_url", "image_url": {"url": DOT}}
    return {"role": "user", "content": [{"type": "text", "text": question.text}, image]}


def _client(url: str = "") -> httpx.AsyncClient:
    # No connection is kept between two requests: an idle one would look like a leak of the server.
    return httpx.AsyncClient(base_url=url, timeout=LIMIT, limits=httpx.Limits(max_keepalive_connections=0))


PLACES = (graph, chat_completions, langgraph_server)
