"""A chat on a real terminal: Ctrl-C, Ctrl-D, pasted lines, completion, and what is dim."""

import readline
import signal
import subprocess
import time
from pathlib import Path

import pytest

from omni_router.cli.chat.slash import COMMANDS, complete
from tests.support.cli_process import command, on_terminal

PROMPT = "> "


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Press Ctrl-C, when readline waits: what comes between its prompt and its wait is noticed with the next key."""
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on_until_an_empty_prompt(tmp_path: Path) -> None:
    with on_terminal(command("chat", delay=0.2), tmp_path, columns=100) as (screen, process):
        screen.until(PROMPT)
        screen.type("first question\r")
        screen.until("[sandbox] Simulated")
        interrupt(process)
        screen.until("[cancelled; the conversation is as it was before]")
        screen.until(PROMPT, 2)
        screen.type("half a line")
        screen.until("> half a line")
        interrupt(process)
        screen.until(PROMPT, 3)
        screen.type("second question\r")
        screen.until("you wrote “second question”")
        screen.until(PROMPT, 4)
        interrupt(process)
        screen.until()
        assert process.wait() == 130
    assert "you wrote “first question”" not in screen.text


def test_ctrl_d_leaves(tmp_path: Path) -> None:
    with on_terminal(command("chat"), tmp_path) as (screen, process):
        screen.until(PROMPT)
        screen.type("\x04")
        screen.until()
        assert process.wait() == 0


@pytest.mark.skipif("libedit" in str(readline.__doc__), reason="libedit sends pasted lines one by one")
def test_pasted_lines_are_one_message_and_a_backslash_goes_on(tmp_path: Path) -> None:
    with on_terminal(command("chat"), tmp_path, columns=120) as (screen, process):
        screen.until(PROMPT)
        screen.type("\x1b[200~pasted one\npasted two\x1b[201~\r")
        screen.until("you wrote “pasted one pasted two”")
        screen.until(PROMPT, 2)
        screen.type("typed one\\\r")
        screen.until("typed one\\")
        screen.type("typed two\r")
        screen.until("you wrote “typed one typed two”")
        screen.until(PROMPT, 3)
        screen.type("\x04")
        screen.until()
        assert process.wait() == 0


def test_commands_are_completed_and_earlier_lines_come_back(tmp_path: Path) -> None:
    with on_terminal(command("chat"), tmp_path, columns=120) as (screen, process):
        screen.until(PROMPT)
        screen.type("/he\t\r")
        screen.until("leave, as Ctrl-D does")
        screen.until(PROMPT, 2)
        screen.type("/route code_g\t\r")
        screen.until("the next messages take the route code_generation")
        screen.until(PROMPT, 3)
        screen.type("\x1b[A\r")
        screen.until("the next messages take the route code_generation", 2)
        screen.type("/quit\r")
        screen.until()
        assert process.wait() == 0


def test_the_badge_and_the_reasoning_are_dim(tmp_path: Path) -> None:
    argv = command("chat", "--model", "sandbox/text-generation-5")
    with on_terminal(argv, tmp_path, columns=200) as (screen, _):
        screen.until(PROMPT)
        screen.type("How do tides work?\r")
        screen.until(PROMPT, 2)
        screen.type("\x04")
        screen.until()
    assert "\x1b[2m[casual_conversation 90% | sandbox/text-generation-5 " in screen.text
    assert "\x1b[2mstep-1 " in screen.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/", list(COMMANDS)),
        ("/mo", ["/model", "/models"]),
        ("hello", []),
        ("/route a", ["auto", "again"]),
        ("/models a", ["again"]),
        ("/image fo", ["folder", "fox.png"]),
        ("/why a", []),
    ],
)
def test_what_is_completed(line: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "fox.png").touch()
    (tmp_path / "folder").mkdir()

    class Known:
        def routes(self) -> list[str]:
            return ["again", "chat"]

    class Chat:
        backend = Known()

    assert complete(line, Chat()) == words  # type: ignore[arg-type]  # completion knows the backend alone
