"""What a person sees while the command works: the order of things, and colours; and what a pipe gets."""

import io
import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.cli.console import StreamedField, print_field
from tests.support.cli_process import SECONDS, command, on_terminal
from tests.support.scripted_router import ScriptedRouter
from tests.support.terminal import COLOUR, ESC, main_on_terminal, plain

QUESTION = "Tell me about tides"
PICTURE = ("--prompt", "a picture of tides")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def scripted(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedRouter]:
    """Nothing is loaded, and terminals know colours."""
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    monkeypatch.setenv("TERM", "xterm-256color")
    router.choose("casual_conversation")
    with _sandbox.sandbox():
        yield router


def labels(shown: str) -> list[str]:
    return re.findall(r"^  (\w+(?: do)?) {1,8}\S", plain(shown), re.MULTILINE)


class Pipe(io.StringIO):
    """A pipe whose reader notices when the decision, and then the first piece of the answer, has come through."""

    def __init__(self) -> None:
        super().__init__()
        self.decision, self.first_piece = threading.Event(), threading.Event()

    def flush(self) -> None:
        super().flush()
        if "  reason" in self.getvalue():
            self.decision.set()
        if "[sandbox]" in self.getvalue():
            self.first_piece.set()


def test_the_decision_is_shown_before_the_first_piece_and_that_before_the_next_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe, sent = Pipe(), list[float]()

    def wait_for_reader(_request: Any, seconds: float) -> None:
        """Send on only when what was sent before has been shown."""
        sent.append(seconds)
        assert pipe.decision.wait(SECONDS)
        assert len(sent) <= 3 or pipe.first_piece.wait(SECONDS), "the first pieces: the call, the role and a word"

    monkeypatch.setattr("omni_router._sandbox.transport.wait", wait_for_reader)
    monkeypatch.setattr("sys.stdout", pipe)
    assert main(["--prompt", QUESTION]) == 0
    assert len(sent) > 10
    output = pipe.getvalue()
    assert output.count("No model was run for it.") == 1
    assert labels(output) == ["route", "model", "reason", "answer", "attempt", "id"]


def test_a_terminal_gets_colours_and_a_line_about_what_takes_long_which_is_erased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = main_on_terminal(["--prompt", QUESTION], monkeypatch)
    assert f"{ESC}[1mcasual_conversation{ESC}[0m" in output
    for what in (
        "starting",
        "loading the router, choosing a route and a model",
        "waiting for sandbox/text-generation-1",
    ):
        _, _, after = output.partition(f"{what} ...")
        assert re.match(r"\s*(\x1b\[\?25h)?\s*(\x1b\[1A)?\x1b\[2K", after), (what, output)
    assert output.count(f"{ESC}[?25l") == output.count(f"{ESC}[?25h"), "the cursor is shown again"


@pytest.fixture
def thinker(scripted: ScriptedRouter) -> str:
    """A model that reasons, which the router chooses."""
    scripted.choose("casual_conversation", "sandbox/text-generation-5")
    return "Simulated reasoning"


def test_reasoning_is_dim_on_a_terminal_and_stands_above_the_answer(
    monkeypatch: pytest.MonkeyPatch, thinker: str
) -> None:
    output = main_on_terminal(["--prompt", QUESTION], monkeypatch)
    assert f"{ESC}[2mstep-1 {ESC}[0m" in output
    before, answer, after = plain(output).partition("  answer   ")
    assert answer
    assert before.count("  thinks   [sandbox] Simulated reasoning") == before.count("step-1 ") == 1
    assert thinker not in after
    assert "step-" not in after


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_pipe_gets_no_reasoning(capsys: Capture, thinker: str, flags: list[str]) -> None:
    assert main(["--prompt", QUESTION, *flags]) == 0
    output = capsys.readouterr()
    assert "Simulated answer" in output.out
    assert thinker not in output.out + output.err


def test_the_line_about_what_takes_long_never_needs_a_second_line(tmp_path: Path) -> None:
    with on_terminal(command("--prompt", QUESTION), tmp_path, columns=30) as (screen, process):
        output = screen.until()
        assert process.wait(SECONDS) == 0, output
    assert "loading the router, choosing …" in output


def test_facts_are_wrapped_at_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["--prompt", f"{QUESTION} [[sandbox:payment_402]]"]
    lines = plain(main_on_terminal(argv, monkeypatch, columns=40, status=1)).split("\n")
    at = next(place for place, line in enumerate(lines) if line.startswith("  to do"))
    assert all(len(line) <= 40 for line in lines[at : at + 3])
    assert lines[at + 1].startswith(" " * 11)
    assert lines[at + 1][11] != " "


def test_further_lines_of_an_answer_stand_below_its_first_wherever_its_pieces_end(capsys: Capture) -> None:
    field = StreamedField("answer")
    for piece in ("\n", "one", "\n", "\n two", " [red]three[/red] :smile: ", "word " * 60, "\n", "\n"):
        field.write(piece)
    field.close()
    pad = " " * 11
    expected = f"  answer   one\n\n{pad} two [red]three[/red] :smile: {'word ' * 60}\n"
    assert capsys.readouterr().out == expected, "no line is broken on a pipe, and brackets are not markup"


def test_a_fact_is_one_line_on_a_pipe_unless_columns_says_how_wide_it_is(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"[bold]{'word ' * 60}[/bold]"
    print_field("reason", text)
    assert capsys.readouterr().out == f"  reason   {text}\n"
    monkeypatch.setenv("COLUMNS", "50")
    print_field("reason", text)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 50
    assert " ".join(" ".join(lines).split()) == f"reason {' '.join(text.split())}"


def test_the_path_of_an_image_is_a_link_on_a_terminal(
    scripted: ScriptedRouter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted.choose("image_generation")
    output = main_on_terminal(PICTURE, monkeypatch)
    [path] = (tmp_path / "outputs").glob("*.png")
    assert re.search(rf"\x1b\]8;[^;]*;{re.escape(path.as_uri())}\x1b\\", output)
    assert f"saved    outputs/{path.name} (768 x 512)" in plain(output), "the path in one piece"


@pytest.mark.parametrize("variables", [{"COLORTERM": "truecolor", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_gets_no_colour_that_is_not_wanted(
    variables: dict[str, str], scripted: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    scripted.choose("image_generation")
    output = main_on_terminal(PICTURE, monkeypatch)
    assert "_image_generation.png (768 x 512)" in output
    assert not COLOUR.search(output)
    if variables.get("TERM") == "dumb":
        assert ESC not in output


def test_a_pipe_gets_no_colour_unless_colours_are_forced(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def output(**variables: str) -> str:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert main(["--prompt", f"{QUESTION} {'and tides ' * 30}"]) == 0
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert ESC not in output(COLORTERM="truecolor")
    assert f"{ESC}[1mcasual_conversation{ESC}[0m" in output(COLORTERM="truecolor", FORCE_COLOR="1")
    assert ESC not in output(FORCE_COLOR="1", NO_COLOR="1")


def test_json_is_json_alone_on_a_terminal_that_forces_colours(
    scripted: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("FORCE_COLOR", "1")
    scripted.choose("image_generation")
    output = main_on_terminal([*PICTURE, "--json"], monkeypatch, columns=80)
    assert ESC not in output
    [line] = [line for line in output.split("\n") if line.startswith("{")]
    assert json.loads(line)["artifacts"]


def test_interrupt_in_the_middle_of_an_answer_ends_with_130_and_the_terminals_own_colours(tmp_path: Path) -> None:
    with on_terminal(command("--prompt", QUESTION, delay=5), tmp_path) as (screen, process):
        screen.until("[sandbox]")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        output = screen.until()
    assert re.search(r"\x1b\[0m[^\n]*\nomni-router: interrupted\n$|\x1b\[\?25homni-router: interrupted\n$", output)
    assert "id" not in labels(output)


def test_after_a_fallback_the_attempt_and_the_new_decision_are_shown(scripted: ScriptedRouter, capsys: Capture) -> None:
    box = _sandbox.active()
    assert box
    box.fail("overloaded_503")
    assert main(["--prompt", QUESTION]) == 0
    shown = capsys.readouterr().out
    decision = ["route", "model", "reason"]
    assert labels(shown) == [*decision, "attempt", *decision, "answer", "attempt", "id"]
    assert "attempt  sandbox/text-generation-1: overloaded" in shown
    assert "model    sandbox/text-generation-2" in shown


def test_an_answer_that_breaks_off_is_shown_once_and_then_why(scripted: ScriptedRouter, capsys: Capture) -> None:
    assert main(["--prompt", f"{QUESTION} [[sandbox:stream_cut]]"]) == 1
    shown = capsys.readouterr().out
    assert labels(shown) == ["route", "model", "reason", "answer", "attempt", "error", "to do", "id"]
    assert shown.count("Simulated answer") == 1


def test_an_answer_cannot_steer_the_terminal(scripted: ScriptedRouter, capsys: Capture) -> None:
    assert main(["--prompt", f"{QUESTION} {ESC}]0;another title\x07{ESC}[2J"]) == 0
    shown = capsys.readouterr().out
    assert ESC not in shown
    assert shown.count(r"\x1b]0;another title\x07\x1b[2J") == 2, "in the title, and in the answer that repeats it"


def test_an_answer_that_does_not_stream_is_shown_too(
    scripted: ScriptedRouter, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.events._tokens", lambda *_: ())
    assert main(["--prompt", QUESTION]) == 0
    assert capsys.readouterr().out.count("No model was run for it.") == 1


def test_routes_and_problems_are_coloured_where_colours_are(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "mine.json"
    policy.write_text('[{"name": "chat", "description": "small talk"}]')
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["--list-routes", "--route-config", str(policy)]) == 0
    assert f"{ESC}[1mchat{ESC}[0m  [text-generation]" in capsys.readouterr().out
    monkeypatch.setattr("omni_router.evaluation.policy_check.overlaps", lambda *_: [])
    with _sandbox.sandbox():
        assert main(["--check", "--route-config", str(policy)]) == 1
    assert f"{ESC}[31mproblem{ESC}[0m  route chat" in capsys.readouterr().out


def test_route_and_model_may_be_settled_on_the_command_line(scripted: ScriptedRouter, capsys: Capture) -> None:
    args = ["--prompt", QUESTION, "--route", "creative_writing", "--model", "sandbox/text-generation-3"]
    assert main([*args, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["route"], result["model"]) == ("creative_writing", "sandbox/text-generation-3")
    assert scripted.asked == []
    assert main(["--prompt", QUESTION, "--route", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_descriptions_of_routes_are_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    output = plain(main_on_terminal(["--list-routes"], monkeypatch, columns=60))
    described = [line for line in output.split("\n") if re.match(r" {4}[^ -]", line)]
    assert len(described) > 20
    assert max(map(len, described)) <= 60
