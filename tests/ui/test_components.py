"""The parts of the page that need no browser."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import build_graph
from omni_router.cli import main
from omni_router.cli.root import parse
from omni_router.cli.ui import open_page
from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.costs import as_decimal
from omni_router.errors import ConfigurationError, ErrorKind, OmniRouterError
from omni_router.events import DecisionMade, Finished, RunEvent, Token
from omni_router.history.protocol import ModelRecord, UsageRecord
from omni_router.services import Services
from omni_router.ui.badge import badge
from omni_router.ui.chat import Chat, Request, Turn
from omni_router.ui.components import problem, safe
from omni_router.ui.feedback import add_feedback
from omni_router.ui.local import LocalBackend
from omni_router.ui.routes_tab import decisions_frame, routes_table, uses_frame
from omni_router.ui.start import check_free, open_server
from omni_router.ui.turn import UNEXPECTED, View, take_turn
from tests.support.dev_server import free_port
from tests.support.json_server import json_server
from tests.support.scripted_router import ScriptedRouter

TEXT = "sandbox/text-generation-1"
DECISION: dict[str, Any] = {
    "id": "3f9a", "route": "code_generation", "task": "text-generation", "model": "acme/coder", "provider": None,
    "reason": "as scripted", "source": "router", "confidence": 0.93, "verified": True, "passed_over": [],
}  # fmt: skip


decision: Any = DECISION


def token(text: str) -> Token:
    return Token(AIMessageChunk(content=text), "generate_text")


class ScriptedBackend:
    """A backend whose runs a test scripts."""

    keeps_feedback = True

    def __init__(self, *events: RunEvent, failing: Exception | None = None) -> None:
        self.events, self.failing = events, failing

    async def stream(self, thread: str, message: HumanMessage | None, settings: Settings) -> AsyncIterator[RunEvent]:
        for event in self.events:
            yield event
        if self.failing:
            raise self.failing

    def forget(self, thread: str) -> None:
        pass

    def routes(self) -> Sequence[Route]:
        return ()

    def models(self, route: str) -> Sequence[ModelRecord]:
        return ()

    def examples(self, route: Route) -> int:
        return 0

    def add_feedback(self, decision: Mapping[str, Any], feedback: str, text: str) -> str | None:
        raise OmniRouterError("the store does not answer")


def turn(backend: Any, request: Request, folder: Path) -> tuple[Chat, list[View]]:
    async def run() -> list[View]:
        return [view async for view in take_turn(chat, request, backend, folder, Settings())]

    chat = Chat()
    return chat, asyncio.run(run())


def parts_of(chat: Chat) -> list[str]:
    return [
        part if isinstance(part, str) else part.get("value") or part["path"] for part in chat.messages[-1]["content"]
    ]


def test_another_model_answers_below_the_first_answer_and_leaves_the_field_alone(
    services: Services, router: ScriptedRouter, tmp_path: Path
) -> None:
    router.choose("question_answering")
    backend = LocalBackend(services)
    chat = Chat()

    async def run(request: Request | None) -> list[View]:
        return [view async for view in take_turn(chat, request, backend, tmp_path, Settings())]

    asyncio.run(run(Request("How do tides work?")))
    views = asyncio.run(run(None))
    assert not any(view.accepted for view in views)
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "assistant"]
    assert [each.text for each in chat.turns] == ["How do tides work?"] * 2
    first, second = (each.decision for each in chat.turns)
    assert first["model"] != second["model"]
    assert f"another model than {first['model']} was asked for" in parts_of(chat)[0]


def test_the_table_of_routes_tells_doubts_from_ratings(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering")
    graph: Any = build_graph(services).compile(InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    for text in ("How do tides work?", "That's wrong."):
        graph.invoke({"messages": [HumanMessage(text)]}, thread)
    assert "+0 −0, 1 doubted" in routes_table(LocalBackend(services))  # noqa: RUF001 (a minus sign)


def test_another_model_is_refused_before_there_is_an_answer(tmp_path: Path) -> None:
    async def run() -> list[View]:
        return [view async for view in take_turn(Chat(), None, ScriptedBackend(), tmp_path, Settings())]

    [view] = asyncio.run(run())
    assert "There is no answer yet that another model could replace" in view.notice


@pytest.mark.parametrize("text", ["<b>", '" onclick="x', "${x}", "{{x}}", "a\n\nb", "&amp;"])
def test_a_text_from_outside_is_harmless_in_html_and_in_templates(text: str) -> None:
    assert not set('<>"${}\n') & set(safe(text))


COSTLY = {
    "model": "acme/other",
    "outcome": "answered",
    "seconds": 0.1,
    "partial": False,
    "cost": 0.0000284,
    "usage": {"input_tokens": 1000, "output_tokens": 20},
}


def test_a_badge_tells_route_model_source_and_confidence_and_why() -> None:
    html = badge(
        {**DECISION, "passed_over": [{"model": "acme/old", "why": "gone", "source": "history", "kind": None}]},
        {"code_generation": [{"model": "acme/coder", "why": "number 1 in the catalog"}]},
        [{"model": "acme/coder", "outcome": "overloaded", "seconds": 0.5}, COSTLY],
        seconds=0.75,
    )
    line, table = html.split("</summary>")
    assert all(word in line for word in ("code_generation", "acme/coder", "picked by the router", "93% sure"))
    assert f"answered in 0.10 s, {safe('1,000 + 20 tokens, $0.0000284')}" in table
    assert f"<th>cost</th><td>{safe('$0.0000284')}</td>" in table
    for word in ("as scripted", "number 1 in the catalog", "acme/old</code> gone", "overloaded", "0.15 s routing"):
        assert word in table


def test_a_badge_says_why_this_provider() -> None:
    reason = "novita is the cheapest of 2; 1 of 3 did not pass: context"
    assert reason in badge({**DECISION, "provider": "novita", "provider_reason": reason})


def test_nothing_but_what_is_known_is_in_a_badge() -> None:
    html = badge({**DECISION, "route": None, "model": None, "task": None, "source": None, "confidence": None})
    assert "no route" in html
    assert "None" not in html


def test_an_answer_streams_under_its_badge(tmp_path: Path) -> None:
    state: dict[str, Any] = {"decision": DECISION, "attempts": [], "artifacts": [], "error": None}
    backend = ScriptedBackend(DecisionMade(decision), token("Hi "), token("there"), Finished(state))
    chat, views = turn(backend, Request("Hello"), tmp_path)
    assert [view.accepted for view in views] == [True] * len(views)
    assert views[-1].ended
    head, text = parts_of(chat)
    assert "acme/coder" in head
    assert text == "Hi there"
    assert [turn.text for turn in chat.turns] == ["Hello"]


def thought(text: str) -> Token:
    return Token(AIMessageChunk(content="", additional_kwargs={"reasoning_content": text}), "generate_text")


def test_reasoning_is_folded_between_badge_and_answer(tmp_path: Path) -> None:
    state: dict[str, Any] = {"decision": DECISION, "attempts": [], "artifacts": [], "error": None}
    events: list[RunEvent] = [
        DecisionMade(decision),
        thought("First <b>\n"),
        thought("then."),
        token("Hi"),
        Finished(state),
    ]
    chat, _ = turn(ScriptedBackend(*events), Request("Hello"), tmp_path)
    _, reasoning, text = parts_of(chat)
    assert text == "Hi"
    assert reasoning.startswith('<details class="omni-reasoning"><summary>Reasoning · 3 words</summary>')
    assert "First &lt;b&gt;<br>then." in reasoning


def test_while_a_model_thinks_a_line_says_so_and_the_next_model_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.ui.turn.FRAME", 0)
    failing = OmniRouterError("the server is away")
    shown: list[list[str]] = []

    class Watched(ScriptedBackend):
        async def stream(self, *arguments: Any) -> AsyncIterator[RunEvent]:
            async for event in super().stream(*arguments):
                yield event
                shown.append(parts_of(chat))

    backend = Watched(DecisionMade(decision), thought("one two"), DecisionMade(decision), failing=failing)
    chat = Chat()

    async def run() -> None:
        async for _ in take_turn(chat, Request("Hello"), backend, tmp_path, Settings()):
            pass

    asyncio.run(run())
    assert len(shown[0]) == len(shown[2]) == 1
    assert "Thinking … 2 words" in shown[1][1]


def test_an_unexpected_failure_is_a_sentence_without_its_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chat, views = turn(ScriptedBackend(failing=KeyError("secret")), Request("Hello"), tmp_path)
    assert parts_of(chat) == [problem(UNEXPECTED)]
    assert views[-1].ended
    assert "secret" in caplog.text


def test_a_run_that_cannot_be_made_tells_why(tmp_path: Path) -> None:
    chat, _ = turn(ScriptedBackend(failing=OmniRouterError("the server is away")), Request("Hello"), tmp_path)
    assert parts_of(chat) == [problem("The server is away")]
    assert chat.turns == []


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request("  "), "prompt is empty"),
        (Request("What is this?", address="garden.jpg"), "http(s) address"),
        (Request("What is this?", address="ftp://example.com/a.png"), "not the address of an image"),
    ],
)
def test_what_cannot_be_sent_is_an_error_and_stays_in_the_field(request_: Request, text: str, tmp_path: Path) -> None:
    chat, [view] = turn(ScriptedBackend(), request_, tmp_path)
    assert text in view.notice
    assert not view.accepted
    assert chat.messages == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../notes.txt", "outputs/none.png", "/elsewhere/secret.png"])
def test_no_file_but_an_image_of_the_folder_is_shown(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"not ours")
    artifacts = [{"path": path, "mime_type": "image/png", "width": 1, "height": 1}]
    attempts = [{"model": "acme/painter", "outcome": "answered", "seconds": 1.0}]
    state = {"decision": DECISION, "attempts": attempts, "artifacts": artifacts, "error": None}
    chat, _ = turn(ScriptedBackend(Finished({**state, "messages": [AIMessage("saved")]})), Request("Paint"), folder)
    assert parts_of(chat)[1:] == ["saved"]


def test_a_thread_goes_on_and_is_forgotten(services: Services, router: ScriptedRouter) -> None:
    async def ask(text: str) -> dict[str, Any]:
        *_, last = [event async for event in backend.stream("t", HumanMessage(text), Settings())]
        assert isinstance(last, Finished)
        return last.state

    router.choose("question_answering")
    backend = LocalBackend(services)
    asyncio.run(ask("Who discovered radium?"))
    assert len(asyncio.run(ask("And polonium?"))["messages"]) == 4
    backend.forget("t")
    backend.forget("t")
    assert len(asyncio.run(ask("And again?"))["messages"]) == 2


def test_the_tables_tell_what_was_used(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering")
    backend = LocalBackend(services)

    async def run() -> dict[str, Any]:
        *_, last = [event async for event in backend.stream("t", HumanMessage("Who was it?"), Settings())]
        assert isinstance(last, Finished)
        return last.state

    result = asyncio.run(run())
    assert result["decision"]["model"] in routes_table(backend)
    assert f"<td>{safe('$' + as_decimal(result['attempts'][0]['cost']))}</td>" in routes_table(backend)
    assert uses_frame(backend).to_dict("records") == [{"route": "question_answering", "outcome": "answered", "uses": 1}]
    chat = Chat(turns=[Turn("Who was it?", result)])
    assert list(decisions_frame(chat)["decision"]) == ["1  question_answering"]
    note = add_feedback(chat, "translation", backend)
    assert "example of <b>translation</b>" in note
    assert services.history.examples("translation") == ("Who was it?",)


def test_what_was_only_routed_or_failed_elsewhere_is_no_failure_in_the_plot(services: Services) -> None:
    outcomes: list[tuple[ErrorKind | None, bool]] = [
        (None, True),
        ("malformed_answer", True),  # speaks against the model
        ("rate_limited", True),  # does not
        (None, False),  # only routed, or stopped before an answer
    ]
    for outcome, called in outcomes:
        use = UsageRecord("translation", TEXT, "why", "2026-01-01T00:00:00Z", outcome, called)
        assert services.history.record(use)
    assert uses_frame(LocalBackend(services)).to_dict("records") == [
        {"route": "translation", "outcome": "answered", "uses": 1},
        {"route": "translation", "outcome": "failed", "uses": 1},
        {"route": "translation", "outcome": "not counted", "uses": 2},
    ]


@pytest.mark.parametrize(
    ("feedback", "text", "place", "sentence"),
    [
        ("good", "Sort it", "here", "<code>acme/coder</code> is now rated good for <b>code_generation</b>."),
        ("bad", "Sort it", "here", "<code>acme/coder</code> is now rated bad for <b>code_generation</b>"),
        ("translation", "Sort it", "here", "The request is now an example of <b>translation</b>"),
        ("good", "", None, "a request without text cannot be an example"),
        ("bad", "Sort it", None, "<code>acme/coder</code> has no history on code_generation"),
        ("translation", "Sort it", None, "already an example of this route"),
    ],
)
def test_the_page_says_what_feedback_did(
    feedback: str, text: str, place: str | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record: Any = {"id": "acme/coder"}
    monkeypatch.setattr(ScriptedBackend, "models", lambda *_: [record])
    monkeypatch.setattr(ScriptedBackend, "add_feedback", lambda *_: place)
    note = add_feedback(Chat(turns=[Turn(text, {"decision": DECISION})]), feedback, ScriptedBackend())
    assert sentence in note
    assert ("Saved in here." in note) is (place is not None)
    assert ("Nothing was saved" in note) is (place is None)


def test_feedback_that_cannot_be_saved_is_an_error_on_the_page() -> None:
    chat, backend = Chat(turns=[Turn("x", {"decision": DECISION})]), ScriptedBackend()
    assert "store does not answer" in add_feedback(chat, "good", backend)
    assert "no answer to rate" in add_feedback(Chat(), "good", ScriptedBackend())


def test_warming_up_asks_the_router_about_a_request_of_nobody(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering")
    LocalBackend(services).warm_up()
    assert len(router.asked) == 1
    assert services.history.export() == [] or all(not entry["models"] for entry in services.history.export())
    router.says = ConfigurationError("no weights")
    LocalBackend(services).warm_up()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--port", "0"], "'--port': 0 is not in the range 1<=x<=65535"),
        (["--port", "http"], "'--port': 'http' is not a valid integer"),
        (["--server", "http://127.0.0.1:1", "--sandbox"], "--sandbox cannot be used with --server"),
        (["--server", "localhost"], "not the address of a server"),
    ],
)
def test_flags_that_cannot_be_meant_are_errors(flags: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", *flags]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.enable_socket
def test_an_address_that_is_none_of_this_machine_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="--port"):
        check_free("192.0.2.1", 7860)


def test_with_a_token_models_are_real_and_no_banner_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_real")
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    monkeypatch.setattr(LocalBackend, "warm_up", lambda _: None)
    _, banner, folder = open_page(parse(["ui"]), None)
    assert banner == ""
    assert folder == Path("outputs")


def test_with_models_of_ones_own_no_token_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    monkeypatch.setattr(LocalBackend, "warm_up", lambda _: None)
    star = {"name": "*", "providers": [{"name": "local", "address": "http://127.0.0.1:9/v1"}]}
    (tmp_path / "route_config.json").write_text(json.dumps([star]))
    _, banner, _ = open_page(parse(["ui"]), None)
    assert banner == ""


@pytest.mark.enable_socket
@pytest.mark.loopback
@pytest.mark.parametrize(
    ("ready", "sandbox"),
    [
        ([{"sandbox": None, "fails": None}, {"sandbox": True, "fails": None}], True),
        ({"sandbox": False, "fails": None}, False),
        ({"sandbox": None, "fails": "no policy"}, False),
        ({"ready": True}, False),
        ([[1]], False),
    ],
)
def test_the_page_says_whether_its_server_simulates_models(ready: Any, *, sandbox: bool) -> None:
    with json_server({"/ok": {"ok": True}, "/omni/ready": ready}) as server:
        _, banner, _ = open_server(server, Path())
    assert server in banner
    assert ("simulated" in banner) is sandbox


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_a_server_of_another_kind_is_named_before_the_page_opens() -> None:
    with (
        json_server({"/": {}}) as server,
        pytest.raises(ConfigurationError, match="is not a LangGraph server") as error,
    ):
        open_server(server, Path())
    assert server in str(error.value)


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_a_server_that_is_down_is_named_before_the_page_opens() -> None:
    server = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ConfigurationError, match=f"no LangGraph server answers at {server}.*make serve"):
        open_server(server, Path())
