"""The OpenAI-compatible routes on a real uvicorn, in a thread of the test's process, where the sandbox can be seen."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from starlette.types import ASGIApp

from omni_router import Services, Settings, build_graph
from omni_router.hub.client import HubInference
from omni_router.server.openai.guard import Limits
from omni_router.server.request_log import RequestLog
from omni_router.server.serve import make_app, server_config

TEXT = "sandbox/text-generation-1"
PAINTER = "sandbox/text-to-image-1"
EYES = "sandbox/image-text-to-text-1"


@contextmanager
def openai_server(
    services: Services,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    cors: Sequence[str] = (),
    log: list[str] | None = None,
    limits: Limits | None = None,
) -> Iterator[str]:
    """Serve a graph on a free loopback port, and give the address of /v1; `log` gets a line for each request."""
    app: ASGIApp = make_app(build_graph(services, settings).compile(), only_local=True, cors=cors, limits=limits)
    if log is not None:
        app = RequestLog(app, log.append)
    server = uvicorn.Server(server_config(app, timeout_graceful_shutdown=5))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def wait_for(seen: Any, seconds: float = 20.0) -> None:
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "it did not come within the time"
        time.sleep(0.01)


class ScriptedModel(BaseChatModel):
    """A chat model that streams given pieces."""

    pieces: list[AIMessageChunk]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in self.pieces:
            chunk = ChatGenerationChunk(message=piece.model_copy())
            if run_manager:
                run_manager.on_llm_new_token(str(piece.text), chunk=chunk)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        first, *rest = self.pieces
        whole = message_chunk_to_message(sum(rest, first))
        return ChatResult(generations=[ChatGeneration(message=whole)])


@dataclass
class ScriptedInference(HubInference):
    """Answers chats in turn with what a test gives, in pieces, and keeps what it was asked."""

    answers: list[list[AIMessageChunk]] = field(default_factory=list)
    asked: list[tuple[str, list[AnyMessage], Settings]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        self.asked.append((model, list(messages), settings))
        answer = ScriptedModel(pieces=self.answers[len(self.asked) - 1]).invoke(list(messages))
        assert isinstance(answer, AIMessage)
        return answer


def scripted(services: Services, *answers: list[AIMessageChunk]) -> tuple[Services, ScriptedInference]:
    """Return services whose chats answer as scripted."""
    inference = ScriptedInference(answers=list(answers))
    return replace(services, inference=inference), inference
