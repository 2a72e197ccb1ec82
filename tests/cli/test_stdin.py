"""Stdin, which is read where a `-` asks for it and nowhere else."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.cli.stdin import MAX_TEXT
from tests.support.cli_process import command, environment
from tests.support.scripted_router import ScriptedRouter
from tests.support.terminal import main_on_terminal

Capture = pytest.CaptureFixture[str]
Put = Callable[[bytes], None]


@pytest.fixture(autouse=True)
def scripted(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedRouter]:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    router.choose("summarization")
    with _sandbox.sandbox():
        yield router


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Put:
    def on_stdin(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return on_stdin


def prompt_of(capsys: Capture, *args: str) -> str:
    assert main([*args, "--json"]) == 0
    return str(json.loads(capsys.readouterr().out)["prompt"])


def test_the_prompt_itself_may_come_on_stdin(put: Put, capsys: Capture, scripted: ScriptedRouter) -> None:
    put("\ufeffWas ist Ebbe?\n".encode())
    assert prompt_of(capsys, "--prompt", "-") == "Was ist Ebbe?"
    [(conversation, _)] = scripted.asked
    assert conversation[-1]["content"] == "Was ist Ebbe?"


@pytest.mark.parametrize("args", [("--prompt", "Sum up", "-"), ("-", "--prompt", "Sum up"), ("--prompt=Sum up", "-")])
def test_a_dash_puts_stdin_below_the_prompt(args: tuple[str, ...], put: Put, capsys: Capture) -> None:
    put(b"one\n\ntwo\r\n")
    assert prompt_of(capsys, *args) == "Sum up\n\none\n\ntwo"


def test_without_a_dash_not_a_byte_is_taken(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("first\nsecond\n")
    with lines.open() as file:  # as in `while read line; do ...; done < lines`
        monkeypatch.setattr("sys.stdin", file)
        assert prompt_of(capsys, "--prompt", "first") == "first"
        assert file.read() == "first\nsecond\n"


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[bytes]]:
    """Let stdin be a pipe, and return the end that is written to."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writer


def test_a_pipe_that_nobody_closes_is_not_waited_for(writer: IO[bytes], capsys: Capture) -> None:
    assert prompt_of(capsys, "--prompt", "Tell me about tides") == "Tell me about tides"


def test_stdin_that_is_not_read_is_reported(writer: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    writer.write(b"notes")
    assert "stdin was not read" in main_on_terminal(["--prompt", "Sum up"], monkeypatch)
    writer.close()
    assert "was not read" not in main_on_terminal(["--prompt", "Sum up", "-"], monkeypatch)


def test_nothing_on_stdin_leaves_the_prompt_as_it_is_and_is_reported(put: Put, capsys: Capture) -> None:
    put(b" \n")
    assert main(["--prompt", "Sum up", "-", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["prompt"] == "Sum up"
    assert "stdin is empty" in captured.err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "stdin is empty"),
        (b"a" * (MAX_TEXT + 1), "more than the limit of 1,048,576 bytes"),
        ("Was für ein Tag".encode("latin1"), "not valid UTF-8: byte 0xfc at position 5"),
    ],
)
def test_what_cannot_be_a_prompt_ends_with_2_and_says_why(data: bytes, message: str, put: Put, capsys: Capture) -> None:
    put(data)
    assert main(["--prompt", "-", "--json"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("stdin", [None, io.StringIO("no bytes below")])
def test_a_closed_stdin_ends_with_2(stdin: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["--prompt", "-"]) == 2
    assert "stdin is closed" in capsys.readouterr().err


def test_a_closed_stdin_does_not_matter_without_a_dash(tmp_path: Path) -> None:
    argv = command("--prompt", "Tell me about tides", "--json")
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), preexec_fn=lambda: os.close(0), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_picture_may_come_on_stdin(put: Put, capsys: Capture, scripted: ScriptedRouter) -> None:
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    put(picture.getvalue())
    scripted.choose("image_understanding")
    assert main(["--prompt", "What is it?", "--image-url", "-"]) == 0
    shown = capsys.readouterr().out
    assert f"a data URL, image/png, of {len(picture.getvalue())} bytes" in shown
    assert "  image    from stdin\n" in shown
    put(b"no picture")
    assert main(["--prompt", "What is it?", "--image-url", "-"]) == 2
    assert "stdin: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("-",), "is required"),
        (("--demo", "-"), "- needs --prompt"),
        (("--prompt", "-", "-"), "once"),
        (("--prompt", "-", "--image-url", "-"), "once"),
        (("evla",), "No such command 'evla'. Did you mean 'eval'?"),
    ],
)
def test_misuse_is_status_2_and_says_what_is_allowed(args: tuple[str, ...], message: str, capsys: Capture) -> None:
    assert main(args) == 2
    assert message in capsys.readouterr().err
