"""Answers of a server: what is asked, what is shown meanwhile, and the result as a run in this process has it."""

import base64
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from omni_router.artifacts import ArtifactFolder
from omni_router.cli.remote.client import ConnectionLost, RequestRefused, ServerClient
from omni_router.cli.transcript import View
from omni_router.error_kinds import ErrorKind
from omni_router.tasks import TASKS, Media, media

CHAT, ROUTE = "/v1/chat/completions", "/v1/route"
OMNI = "omni"  # the name of the router among models
Message = Mapping[str, Any]  # of a conversation, in OpenAI's form

# The fields of `Settings` that a request may set, by their names in its body.
FIELDS = {
    "model": "model",
    "temperature": "temperature",
    "max_new_tokens": "max_completion_tokens",
    "reasoning_effort": "reasoning_effort",
    **{
        name: f"omni_{name}"
        for name in ("route", "fallback_route", "another", "prefer", "only", "never", "max_price", "bill_to")
    },
}
# The kinds of failures that come from the server itself, not from a run.
KINDS: dict[int, ErrorKind] = {402: "payment", 408: "timeout", 429: "rate_limited"}
OVERLOADED = 500  # from this status on


class RemoteAnswer(NamedTuple):
    """The end of a run on a server."""

    result: dict[str, Any]  # a `RunResult` as JSON
    content: str  # the answer as the server sent it, with files in it


class AnswerClient:
    """Asks a server for answers, and saves the files that come with them.

    Args:
        client: the server.
        folder: where files are saved.
        settings: fields of `Settings` that are set.
    """

    def __init__(self, client: ServerClient, folder: Path, settings: Mapping[str, Any]) -> None:
        self.client, self._files, self._settings = client, ArtifactFolder(folder), settings

    def answer(self, messages: Sequence[Message], view: View, *, tokens: bool = True, **settings: Any) -> RemoteAnswer:
        """Have a conversation answered, show what happens, and return the result.

        Raises:
            OmniRouterError: the server does not answer, is not one of ours, or does not take the request.
        """
        settings = {**self._settings, **settings}
        only_route = bool(settings.pop("skip_specialists", False))
        body: dict[str, Any] = {"messages": list(messages), "model": OMNI}
        for name, value in settings.items():
            if value is not None:
                body[FIELDS[name]] = value
        try:
            if only_route:
                result = _result(self.client.post(ROUTE, body, field="reason"))
                if result["model"]:
                    view.show_decision(result)
                return RemoteAnswer(result, "")
            if tokens:
                return self._streamed(body, view)
            return self._whole(self.client.post(CHAT, body, field=OMNI))
        except RequestRefused as error:
            return RemoteAnswer(_failed(error), "")
        except ConnectionLost as error:
            return RemoteAnswer(_result({"error": _error("connection", str(error), "Ask again.")}), "")

    def _whole(self, body: Mapping[str, Any]) -> RemoteAnswer:
        content = str(body["choices"][0]["message"]["content"] or "")
        return RemoteAnswer(self._with_files(_result(body[OMNI]), content), content)

    def _streamed(self, body: Mapping[str, Any], view: View) -> RemoteAnswer:
        omni: Mapping[str, Any] = {}
        content: list[str] = []
        with closing(self._events(body)) as events:
            for event in events:
                if failed := event.get("error"):
                    return RemoteAnswer(_failed(RequestRefused(str(failed["message"]), OVERLOADED, event)), "")
                if OMNI in event and not omni:
                    view.show_decision(event[OMNI])
                omni = event.get(OMNI, omni)
                content += _show_delta(event, view, hidden=_has_files(omni))
        for attempt in omni["attempts"]:
            view.show_attempt(attempt)
        whole = "".join(content)
        return RemoteAnswer(self._with_files(_result(omni), whole), whole)

    def _events(self, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        return self.client.stream(CHAT, {**body, "stream": True})

    def _with_files(self, result: dict[str, Any], content: str) -> dict[str, Any]:
        """Save the files in an answer, and return the result with their paths."""
        if not result["artifacts"]:
            return {**result, "answer": content}
        saved: list[Any] = []
        for artifact, data in zip(result["artifacts"], _files_in(content), strict=False):
            kind = _media_of(artifact)
            saved.append(
                self._files.save(data, result["route"], kind, width=artifact["width"], height=artifact["height"])
            )
        paths = ", ".join(artifact["path"] for artifact in saved)
        return {**result, "artifacts": saved, "answer": f"The image is saved as {paths}."}


def _show_delta(event: Mapping[str, Any], view: View, *, hidden: bool) -> Iterator[str]:
    """Show what an event adds to an answer, and yield its text."""
    for choice in event["choices"]:
        delta = choice["delta"]
        text = delta.get("content") or ""
        if not hidden:
            view.show_token(text, delta.get("reasoning_content") or "")
        yield text


def _has_files(omni: Mapping[str, Any]) -> bool:
    task = TASKS.get(omni.get("task") or "")
    return task is not None and task.output is not None


def _media_of(artifact: Mapping[str, Any]) -> Media:
    for kind in media():
        if kind.mime_type == artifact["mime_type"]:
            return kind
    return Media(artifact["mime_type"], ".bin")


def _files_in(content: str) -> Iterator[bytes]:
    """Yield the files that the server embeds in an answer as Markdown."""
    for part in content.split("\n\n"):
        _, _, address = part.removesuffix(")").partition("](data:")
        _, _, data = address.partition(";base64,")
        if data:
            yield base64.b64decode(data)


def _result(omni: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `RunResult` as JSON from the field `omni`, in the order of its fields."""
    empty = dict.fromkeys(("route", "model", "reason", "source", "confidence", "answer", "artifacts", "attempts",
                           "error", "id", "task", "provider", "proposed_route", "cost", "estimated_cost", "prefer",
                           "provider_reason"))  # fmt: skip
    filled: dict[str, Any] = {**empty, "reason": "", "provider_reason": "", "artifacts": [], "attempts": []}
    return filled | {name: omni[name] for name in empty if name in omni}


def _failed(error: RequestRefused) -> dict[str, Any]:
    """Return the result of a run that failed, or of a request that the server had no time for.

    Raises:
        RequestRefused: the request has to be corrected.
    """
    omni = error.body.get(OMNI)
    if isinstance(omni, Mapping) and omni.get("error"):
        return _result(omni)
    kind = KINDS.get(error.status)
    if error.status >= OVERLOADED:
        kind = "overloaded"
    if kind is None:
        raise error
    return _result({"error": _error(kind, str(error), "Ask the server again in a moment; its log says more.")})


def _error(kind: ErrorKind, message: str, hint: str) -> dict[str, Any]:
    return {"kind": kind, "message": message, "hint": hint, "cause": kind, "retry_after": None}
