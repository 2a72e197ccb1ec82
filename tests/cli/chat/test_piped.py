"""A chat whose lines come from a pipe: turns, commands, files, and exit statuses."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router._sandbox import Sandbox
from omni_router._sandbox.drawing import draw
from omni_router.cli import main
from omni_router.cli.chat.saved import chats_folder
from tests.support.scripted_router import ScriptedRouter

Capture = pytest.CaptureFixture[str]

FIRST, SECOND = "sandbox/text-generation-1", "sandbox/text-generation-2"


@pytest.fixture(autouse=True)
def box(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A router that is scripted, and a data folder of the test's own."""
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    monkeypatch.setattr("omni_router.selection.warm_up.warm_up", lambda _: None)  # it would outlive a short chat
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    router.choose("question_answering")
    with _sandbox.sandbox() as box:
        yield box


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Any:
    def run(*lines: str, flags: tuple[str, ...] = (), status: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        assert main(["chat", *flags]) == status
        for thread in threading.enumerate():
            if thread.name == "omni-router chat":
                thread.join()
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


def test_a_line_is_answered_below_the_badge_of_its_decision(chat: Any) -> None:
    printed = chat("How do tides work?")
    badge, answer, cost = printed.splitlines()[-3:]
    assert badge.startswith(f"[question_answering 90% | {FIRST} through together | about $0.")
    assert answer == f"[sandbox] Simulated answer of {FIRST}: you wrote “How do tides work?”. No model was run for it."
    assert cost.endswith("tokens, $0.0000076]")


def test_the_model_gets_the_conversation_so_far(chat: Any, router: ScriptedRouter) -> None:
    chat("How do tides work?", "And waves?")
    roles = [turn["role"] for turn in router.asked[-1][0]]
    assert roles == ["user", "assistant", "user"]


def test_a_backslash_goes_on_in_the_next_line_and_two_slashes_send_one(chat: Any, router: ScriptedRouter) -> None:
    chat("one\\", "two", "//etc is a folder", "", "three\\")
    asked = [conversation[-1]["content"] for conversation, _ in router.asked]
    assert asked == ["one\ntwo", "/etc is a folder", "three"]


def test_route_and_model_are_chosen_until_auto(chat: Any, router: ScriptedRouter) -> None:
    router.choose("casual_conversation", FIRST)
    printed = chat(
        *(
            "/route Code_Generation",
            "a",
            "/route auto",
            "/model sandbox/text-generation-3",
            "b",
            "/model auto",
            "/clear",
            "c",
        ),
        *("/route", "/model"),
    )
    badges = [line.split(" | ")[:2] for line in printed.splitlines() if " | " in line]
    assert [badge[0].partition(" ")[0] for badge in badges] == ["[code_generation", *["[casual_conversation"] * 2]
    assert badges[1][1].startswith("sandbox/text-generation-3")
    assert badges[2][1].startswith(FIRST)
    assert "route: auto; there are auto, casual_conversation, " in printed
    assert "model: auto" in printed


def test_another_model_answers_instead_and_its_answer_is_what_is_kept(chat: Any, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    printed = chat("How do tides work?", "/another", "/model", flags=("--session", str(file), "--model", FIRST))
    assert "; another model than sandbox/text-generation-1 was" in printed  # the badge shows a reason in short
    question, answer = json.loads(file.read_text())["messages"]
    assert (question["content"], answer["decision"]["model"]) == ("How do tides work?", SECOND)
    assert printed.splitlines()[-2].endswith(f"model: {FIRST}; /models ranks those of the route"), "it is still chosen"


def test_the_last_decision_is_explained_and_rated_without_a_log(chat: Any, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    printed = chat(
        "How do tides work?", "/why", "/good", "/bad", "/bad math_reasoning", flags=("--route-config", str(policy))
    )
    assert "  asked    How do tides work?" in printed
    assert "  call 1   sandbox/text-generation-1 through together: answered" in printed
    assert f"saved in {policy}; {FIRST} counts as good for question_answering" in printed
    assert "the request is now an example of math_reasoning" in printed
    routes = {route["name"]: route for route in json.loads(policy.read_text())}
    assert routes["question_answering"]["models"][0]["bad"] == 1


def test_a_decision_log_gets_the_decisions_of_a_chat_too(chat: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    printed = chat("How do tides work?", "/why", flags=("--decision-log", str(log)))
    [entry] = map(json.loads, log.read_text().splitlines())
    assert entry["route"] == "question_answering"
    assert "How do tides work?" not in log.read_text()
    assert "  asked    (text not logged; SHA-256 " in printed


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/anothr", "there is no command /anothr (did you mean /another?); /help lists them, and // sends a slash"),
        ("/xyz", "there is no command /xyz; /help lists them"),
        (
            "/route code_generaton",
            "there is no route 'code_generaton' (did you mean code_generation?); there are auto,",
        ),
        ("/model gpt", "'gpt' is not a model id; allowed are org/name, org/name:provider and auto"),
        ("/image", "/image takes the path or the address of an image"),
        ("/image http://", "http:// is not the address of an image: use http://, https:// or a local file"),
        ("/image data:image/png;base64,AAAA", "this is not a readable image"),
        ("/image no.png", "no.png cannot be read: No such file or directory"),
        ("/image ~nobody-here/x.png", "~nobody-here/x.png is not found: there is no such user; ./~nobody-here/x.png"),
        ("/image a\0b.png", "'a\\x00b.png' is not the name of a file: it holds a null character"),
        ("/why", "there is no decision yet: ask something first"),
        ("/good", "there is no decision yet: ask something first"),
        ("/another", "there is no answer yet that another model could replace"),
        ("/models", "there is no current route yet: /models ROUTE names one"),
        ("/models gpt", "--list-models takes a task (text-generation, text-to-image, image-text-to-text) or a route"),
        ("/save", "/save takes a file: Markdown, or with .json a chat for --session"),
        ("/save .", ". exists already; name another file"),
        ("/save ~nobody-here/x.md", "~nobody-here/x.md is not found: there is no such user"),
        ("/save a\0b.md", "'a\\x00b.md' is not the name of a file: it holds a null character"),
        (f"/save {'a' * 300}.md", f"{'a' * 300}.md cannot be written: File name too long"),
        ("/save no/folder.md", "no/folder.md cannot be written: No such file or directory"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_the_chat_goes_on(chat: Any, line: str, says: str) -> None:
    printed = chat(line, "/help", status=1)
    assert f"  error    {says}" in printed
    assert "leave, as Ctrl-D does" in printed


def test_a_failed_answer_shows_kind_and_hint_and_is_not_kept(chat: Any, router: ScriptedRouter) -> None:
    printed = chat("[[sandbox:token_401]] hello", "And now?", status=1)
    assert "  error    token: " in printed
    assert "  to do    Set HF_TOKEN (or pass --hf-token)" in printed
    assert "you wrote “And now?”" in printed
    assert len(router.asked[-1][0]) == 1


def test_images_are_sent_with_the_next_message_alone_and_generated_ones_are_saved(
    chat: Any, router: ScriptedRouter, tmp_path: Path
) -> None:
    (tmp_path / "fox.png").write_bytes(draw("a fox", "a fox", 64, 64))
    router.choose("image_understanding")
    printed = chat("/image fox.png", "What is it?", "Why?", flags=("--session", "c.json"))
    assert "the image goes with your next message" in printed
    first, _, second, _ = json.loads((tmp_path / "c.json").read_text())["messages"]
    assert first["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert second["content"] == "Why?"
    router.choose("image_generation")
    saved = chat("Draw a fox").splitlines()[-2]
    assert saved.startswith("  saved    outputs/")
    assert (tmp_path / saved.split()[1]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("image", "says"), [("no.png", "no.png cannot be read"), ("http://", "http:// is not the address of an image")]
)
def test_an_image_for_the_first_message_is_checked_at_once(chat: Any, image: str, says: str) -> None:
    assert says in chat("hello", flags=("--image", image), status=2)


def test_an_image_that_has_not_been_sent_can_be_left_out(chat: Any, router: ScriptedRouter) -> None:
    assert "no image goes with your next message" in chat("/image https://example.org/x.png", "/image", "hello")
    assert router.asked[-1][0][-1]["content"] == "hello"


def test_a_chat_under_a_name_goes_on(chat: Any, router: ScriptedRouter) -> None:
    assert "trip.json begins" in chat("How do tides work?", flags=("--session", "trip"))
    file = chats_folder() / "trip.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "trip.json goes on after 2 messages" in chat("And waves?", flags=("--continue",))
    assert [turn["role"] for turn in router.asked[-1][0]] == ["user", "assistant", "user"]
    assert len(json.loads(file.read_text())["messages"]) == 4
    chat("/clear", flags=("--session", "trip"))
    assert json.loads(file.read_text())["messages"] == []


def test_another_model_answers_the_last_question_of_an_earlier_day(chat: Any) -> None:
    chat("How do tides work?", flags=("--session", "c.json"))
    printed = chat("/another", "/good", flags=("--session", "c.json"))
    assert f"another model than {FIRST} was" in printed
    assert f"{SECOND} counts as good for question_answering; the request is now an example" in printed


def test_without_a_name_nothing_is_written(chat: Any, tmp_path: Path) -> None:
    chat("How do tides work?")
    assert not (tmp_path / "data").exists()


def test_a_conversation_is_saved_for_readers_and_to_go_on_with(chat: Any, tmp_path: Path) -> None:
    printed = chat("How do tides work?", "/save tides.md", "/save tides.json")
    assert "2 messages are saved in tides.md" in printed
    assert (tmp_path / "tides.md").read_text().startswith(f"## You\n\nHow do tides work?\n\n## {FIRST}\n\n[sandbox] ")
    assert "goes on after 2 messages" in chat(flags=("--session", "tides.json"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--continue",), "holds no chat: omni-router chat --session NAME begins one"),
        (("--continue", "--session", "x"), "--session and --continue exclude each other"),
        (("--session", "bad.json"), "bad.json is not a chat of omni-router"),
        (("--session", "."), "cannot be read: Is a directory"),
        (("--temperature", "9"), "Input should be less than or equal to 2"),
        (("--route-config", "bad.json"), "bad.json"),
        (("--server", "localhost"), "'localhost' is not the address of a server"),
    ],
)
def test_what_has_to_be_corrected_first_ends_with_status_2(
    chat: Any, tmp_path: Path, flags: tuple[str, ...], says: str
) -> None:
    (tmp_path / "bad.json").write_text('{"messages": [{"role": "nobody"}]}')
    assert says in chat("hello", flags=flags, status=2)


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[]",
        "[" * 100_000,
        '{"messages": 1}',
        '{"messages": [{"role": "user", "content": "one"}]}',
        '{"messages": [{"role": "user", "content": [1]}, {"role": "assistant", "content": "a"}]}',
        '{"messages": [{"role": "user", "content": [{"type": "text"}]}, {"role": "assistant", "content": "a"}]}',
        '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "decision": "x"}]}',
    ],
)
def test_a_file_that_is_not_a_chat_is_left_as_it_is(chat: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)
    assert "c.json is not a chat of omni-router" in chat("hello", flags=("--session", "c.json"), status=2)
    assert (tmp_path / "c.json").read_text() == content


def test_quit_leaves_the_lines_behind_it_unread(chat: Any, router: ScriptedRouter) -> None:
    chat("/quit", "hello")
    assert router.asked == []


def test_a_closed_input_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["chat"]) == 0


def test_the_models_of_the_current_route_are_ranked(chat: Any) -> None:
    printed = chat("How do tides work?", "/models")
    assert "Models served for route question_answering" in printed
    assert "number 1; history: 1 of 1 answered" in printed


def test_control_characters_of_an_answer_are_shown_not_obeyed(chat: Any) -> None:
    printed = chat("say \x1b[2J now")
    assert "\x1b" not in printed
    assert "\\x1b[2J" in printed
