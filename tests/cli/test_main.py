"""The command line, as a user runs it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.capture import CaptureResult

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.cli.demo import DEFAULT_MULTI_MODAL_QUERIES
from omni_router.config.environment import Environment
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services import Services
from omni_router.services.router import choose_router

QUESTION = "Who discovered penicillin?"
NO_CHECKPOINT = ("--router", "arch", "--router-model", "/no/such/folder")

Capture = pytest.CaptureFixture[str]
Captured = CaptureResult[str]


@pytest.fixture(autouse=True)
def loaded(semantic: SemanticRouter) -> None:
    """The real router is loaded once for all commands that run in this process."""


@pytest.fixture
def demo(capsys: Capture) -> Captured:
    """Return what the demo prints as `make demo` runs it."""
    assert main(["--demo", "--router", "semantic", "--sandbox"]) == 0
    return capsys.readouterr()


def test_demo_answers_all_queries_and_leaves_an_image(demo: Captured, tmp_path: Path) -> None:
    assert demo.out.count("[router] recorded model 'sandbox/") == 8
    assert demo.out.count("\n  answer ") == 8
    assert len(list((tmp_path / "outputs").glob("*_image_generation.png"))) == 1
    assert "sandbox" in demo.err
    entries = json.loads((tmp_path / "outputs" / "sandbox" / "route_config.json").read_text())
    used = {entry["name"]: sum(model["uses"] for model in entry.get("models", [])) for entry in entries}
    assert sum(used.values()) == 8
    assert used["image_generation"] == used["image_understanding"] == 1
    assert not (tmp_path / "route_config.json").exists(), "the sandbox keeps to its own policy file"


def test_the_demo_shows_that_models_are_chosen_and_who_named_them(demo: Captured, tmp_path: Path) -> None:
    recorded = re.findall(r"recorded model '(\S+)' for route '(\S+)'", demo.out)
    assert {route: model for model, route in recorded} == {
        "casual_conversation": "sandbox/text-generation-1",
        "summarization": "sandbox/text-generation-3",
        "question_answering": "sandbox/text-generation-1",
        "code_generation": "sandbox/text-generation-2",
        "code_debugging": "sandbox/text-generation-2",
        "image_generation": "sandbox/text-to-image-1",
        "image_understanding": "sandbox/image-text-to-text-1",
    }
    assert "it names a sandbox model for each route" in demo.err
    entries = json.loads((tmp_path / "outputs" / "sandbox" / "route_config.json").read_text())
    translation = next(entry for entry in entries if entry["name"] == "translation")
    assert {"id": "sandbox/text-generation-3", "uses": 0} in translation["models"]


def test_the_demo_leaves_a_policy_of_the_callers_as_it_is(capsys: Capture, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('[{"name": "code_generation", "description": "writing code"}]')
    main(["--demo", "--router", "semantic", "--sandbox", "--skip-specialists", "--route-config", str(own)])
    assert "a sandbox model for each route" not in capsys.readouterr().err
    assert "sandbox/text-generation-2" not in own.read_text()


def test_demo_queries_are_the_eight() -> None:
    assert len(DEFAULT_MULTI_MODAL_QUERIES) == 8
    assert DEFAULT_MULTI_MODAL_QUERIES[5].prompt.count("\n") == 3
    assert [query.image is not None for query in DEFAULT_MULTI_MODAL_QUERIES] == [False] * 7 + [True]


def test_json_gives_one_object_a_query_and_nothing_else_on_stdout(capsys: Capture) -> None:
    assert main(["--prompt", QUESTION, "--router", "semantic", "--sandbox", "--json"]) == 0
    captured = capsys.readouterr()
    [line] = captured.out.splitlines()
    result = json.loads(line)
    assert list(result) == [
        *("prompt", "route", "model", "reason", "source", "confidence", "answer", "artifacts", "attempts", "error"),
        *("id", "task", "provider", "proposed_route", "cost", "estimated_cost"),
    ]
    assert result["route"] == "question_answering"
    assert result["source"] == "router"
    assert 0 <= result["confidence"] <= 1
    assert result["answer"].startswith("[sandbox]")
    assert result["error"] is None
    assert "[router] recorded model 'sandbox/text-generation-1' for route 'question_answering' in " in captured.err


def test_fault_ends_with_status_1_and_says_what_to_do(capsys: Capture) -> None:
    prompt = f"{QUESTION} [[sandbox:payment_402]]"
    assert main(["--prompt", prompt, "--router", "semantic", "--sandbox", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["error"]["kind"] == "payment"
    assert result["answer"] is None
    assert "credit" in result["error"]["hint"]


def test_without_a_token_it_only_routes_and_says_what_to_set(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.json"
    entries = json.loads(DEFAULT_POLICY.read_text())
    for entry in entries:
        entry["models"] = ["sandbox/text-generation-3"]
    policy.write_text(json.dumps(entries))
    with _sandbox.sandbox():  # so that nothing asks the real Hub; the flag is not given
        monkeypatch.setattr("omni_router.hub.tokens.find_token", lambda _given: None)
        assert main(["--prompt", QUESTION, "--router", "semantic", "--route-config", str(policy)]) == 0
    captured = capsys.readouterr()
    assert "HF_TOKEN" in captured.err
    assert "sandbox/text-generation-3" in captured.out
    assert "attempt" not in captured.out
    assert f"recorded model 'sandbox/text-generation-3' for route 'question_answering' in {policy}" in captured.out


def test_only_routing_without_any_model_is_status_1(capsys: Capture) -> None:
    with _sandbox.sandbox() as box:
        box.fail("hub_503", times=20)
        status = main(["--prompt", QUESTION, "--router", "semantic", "--skip-specialists", "--json"])
    assert status == 1
    result = json.loads(capsys.readouterr().out)
    assert result["route"] == "question_answering"
    assert result["model"] is None
    assert result["error"]["kind"] == "no_model"


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--prompt", ""),
        ("--prompt", "  \n"),
        ("--image-url", "x.png"),
        ("--prompt", "x", "--demo"),
        ("--demo", "--image-url", "x.png"),
        ("--list-routes", "--demo"),
        ("--prompt", "x", "--temperature", "3"),
        ("--prompt", "x", "--max-new-tokens", "0"),
        ("--prompt", "x", "--specialist-max-new-tokens", "many"),
        ("--prompt", "x", "--router", "oracle"),
        ("--prompt", "x", "--hf-token", " "),
        ("--prompt", "x", "--image-url", ""),
        ("--list-routes", "--route-config", ""),
        ("--prompt", "x", "--output-dir", ""),
    ],
)
def test_misuse_is_status_2(args: tuple[str, ...], capsys: Capture) -> None:
    assert main(args) == 2
    error, usage = capsys.readouterr().err.splitlines()
    assert error.startswith("omni-router: ")
    assert usage.startswith("Usage: omni-router")


def test_broken_policy_file_is_status_2_names_the_line_and_stays_as_it_is(capsys: Capture, tmp_path: Path) -> None:
    policy = tmp_path / "mine.json"
    policy.write_text('[\n  {"name": "a", "description": "b"},\n  {"name": "a"}\n]')
    before = policy.read_bytes()
    for args in (["--list-routes"], ["--prompt", "x", "--sandbox"]):
        assert main([*args, "--route-config", str(policy)]) == 2
        assert f"{policy}:3:" in capsys.readouterr().err
    assert policy.read_bytes() == before


def test_text_file_as_picture_is_status_2(capsys: Capture, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    for source in (str(notes), "missing.png", "ftp://example.com/a.png"):
        assert main(["--prompt", "what is it?", "--image-url", source, "--sandbox"]) == 2
        assert source in capsys.readouterr().err


def test_checkpoint_asked_for_by_name_that_cannot_load_is_status_2_with_the_remedy(capsys: Capture) -> None:
    assert main(["--prompt", QUESTION, "--sandbox", *NO_CHECKPOINT]) == 2
    error = capsys.readouterr().err
    assert "/no/such/folder" in error
    assert "--router semantic" in error


@pytest.mark.parametrize("variable", ["OMNI_ROUTER", "OMNI_SANDBOX", "OMNI_ROUTER_PROMPT"])
def test_a_variable_with_a_wrong_value_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv(variable, "perhaps")
    assert main(["--prompt", "x"]) == 2
    error = capsys.readouterr().err
    assert variable in error
    assert "perhaps" in error
    assert "must be one of" in error


def test_list_routes_shows_everything(capsys: Capture, tmp_path: Path) -> None:
    policy = tmp_path / "mine.json"
    used = {"id": "acme/chat-1", "last_used": "2026-01-02T03:04:05Z", "uses": 4}
    policy.write_text(json.dumps([{"name": "chat", "description": "small talk", "models": [used, "acme/chat-2"]}]))
    assert main(["--list-routes", "--route-config", str(policy)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "chat  [text-generation]",
        "small talk",
        "acme/chat-1",
        "2026-01-02T03:04:05Z",
        "acme/chat-2",
        "torch",
    ):
        assert part in shown
    assert main(["--list-routes", "--json", "--route-config", str(policy)]) == 0
    [route] = json.loads(capsys.readouterr().out)
    assert list(route) == ["name", "task", "description", "models", "parameters"]
    assert route["parameters"] == {}
    assert list(route["models"][0]) == ["id", "first_seen", "last_used", "last_reason", "uses"]


def test_list_routes_shows_the_parameters_of_each_route(capsys: Capture, tmp_path: Path) -> None:
    policy = tmp_path / "mine.json"
    general = {"name": "*", "only": ["acme/*", "org/*"], "prefer": "balanced"}
    own = {"name": "chat", "description": "small talk", "temperature": 0, "prefer": 0.02, "only": ["*:fast"]}
    policy.write_text(json.dumps([general, {**own, "system": "Answer in verse."}]))
    flags = ["--list-routes", "--route-config", str(policy), "--max-price", "2"]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    lines = ("system: Answer in verse.", "temperature: 0.0", "prefer: 0.02", "only: *:fast; and acme/*, org/*")
    for line in (*lines, "max_price: 2.0"):
        assert f"\n    {line}\n" in shown
    assert main([*flags, "--json"]) == 0
    [route] = json.loads(capsys.readouterr().out)
    assert route["parameters"] == {
        "system": "Answer in verse.",
        "temperature": 0,
        "prefer": 0.02,
        "only": [["*:fast"], ["acme/*", "org/*"]],
        "max_price": 2,
    }


def test_list_routes_names_a_missing_package_and_ends_with_2(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.cli.list_routes.CORE_PACKAGES", ("langgraph", "no-such-package"))
    assert main(["--list-routes"]) == 2
    captured = capsys.readouterr()
    assert "no-such-package MISSING" in captured.out
    assert "pip install no-such-package" in captured.err


def test_list_routes_needs_no_package_of_an_extra(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.cli.list_routes.OPTIONAL_PACKAGES", ("torch", "no-such-package"))
    assert main(["--list-routes", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)
    assert "no-such-package not installed" in captured.err
    assert 'pip install -e ".[arch]"' in captured.err
    assert "MISSING" not in captured.err
    monkeypatch.setattr("omni_router.cli.list_routes.OPTIONAL_PACKAGES", ("torch", "transformers"))
    assert main(["--list-routes"]) == 0
    assert "[arch]" not in capsys.readouterr().out


def test_list_routes_imports_nothing_heavy() -> None:
    code = (
        "import sys; from omni_router.cli import main; main(['--list-routes']); "
        "heavy = {'torch', 'transformers', 'langgraph', 'langchain_core', 'huggingface_hub', 'pydantic', 'PIL'}; "
        "raise SystemExit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_flags_win_over_the_environment(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    monkeypatch.setenv("OMNI_ROUTE_CONFIG", str(wrong))
    assert main(["--list-routes"]) == 2
    assert main(["--list-routes", "--route-config", str(tmp_path / "absent.json")]) == 0


def test_debug_router_shows_the_raw_reply_on_stderr(capsys: Capture) -> None:
    assert main(["--prompt", QUESTION, "--router", "semantic", "--sandbox", "--debug-router", "--json"]) == 0
    captured = capsys.readouterr()
    assert "raw reply: " in captured.err
    assert "candidates for question_answering: sandbox/text-generation-1" in captured.err
    assert len(captured.out.splitlines()) == 1


def test_token_is_nowhere_in_what_is_printed(capsys: Capture) -> None:
    secret = "hf_" + "s3cretS3cret"
    for fault in ("token_401", "overloaded_503", "bad_request_400"):
        prompt = f"{QUESTION} [[sandbox:{fault}]]"
        main(["--prompt", prompt, "--router", "semantic", "--sandbox", "--hf-token", secret, "--debug-router"])
    captured = capsys.readouterr()
    assert secret not in captured.out + captured.err


def test_interrupt_ends_at_once_with_130_and_a_line_while_a_model_is_called(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from omni_router.cli import main; raise SystemExit(main())"]
    process = subprocess.Popen(
        [*command, "--prompt", QUESTION, "--router", "semantic", "--sandbox"],
        env={**os.environ, "OMNI_SANDBOX_LATENCY": "600"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            assert any(line.startswith("  reason") for line in process.stdout)  # decided: the call comes next
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "interrupted" in error


def test_help_teaches(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for part in ("examples:", "--sandbox", "HF_TOKEN", "OMNI_THREADS", "exit status", "route_config.json"):
        assert part in shown


def test_sandbox_keeps_its_own_policy_file_whatever_the_environment_says(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_ROUTE_CONFIG", str(tmp_path / "real.json"))
    assert main(["--prompt", QUESTION, "--router", "semantic", "--sandbox"]) == 0
    assert not (tmp_path / "real.json").exists()
    assert str(Path("outputs") / "sandbox" / "route_config.json") in capsys.readouterr().out


@pytest.mark.parametrize("router", ["auto", "arch"])
def test_a_checkpoint_that_is_named_is_never_passed_over(router: str, capsys: Capture) -> None:
    assert main(["--prompt", QUESTION, "--sandbox", "--router", router, "--router-model", "/no/such"]) == 2
    assert "/no/such" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["a-file", "a-file/inside"])
def test_an_output_folder_that_is_a_file_is_status_2(folder: str, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    policy = str(tmp_path / "policy.json")
    flags = ["--router", "semantic", "--sandbox", "--output-dir", folder, "--route-config", policy]
    assert main(["--prompt", "Draw a picture of a red fox in the snow", *flags]) == 2
    assert "--output-dir" in capsys.readouterr().err


def test_wrong_values_end_with_2_and_a_line_instead_of_a_traceback(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--list-routes", "--route-config", "x" * 300]) == 2
    assert main(["--prompt", "caf\udce9 time", "--sandbox"]) == 2
    assert "not valid text" in capsys.readouterr().err
    monkeypatch.setenv("OMNI_SANDBOX_LATENCY", "soon")
    assert main(["--prompt", QUESTION, "--sandbox"]) == 2
    assert "OMNI_SANDBOX_LATENCY must be a number of seconds such as 0.5, not 'soon'" in capsys.readouterr().err


def test_routers_are_loaded_once_for_all_graphs_of_a_process() -> None:
    first = choose_router(Environment.read(router="semantic"))
    assert choose_router(Environment.read(router="semantic")) is first
    arch = choose_router(Environment.read(router="arch"))
    assert choose_router(Environment.read(router="arch")) is arch


def test_python_sandbox_stays_the_active_one_under_omni_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_SANDBOX", "1")
    with _sandbox.sandbox() as box:
        Services.from_environment()
        assert _sandbox.active() is box
    assert _sandbox.active() is None


def test_json_can_be_read_whatever_stdout_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["--list-routes", "--json"]) == 0
    assert len(json.loads(written.getvalue())) == 10


def test_an_output_that_cannot_be_written_ends_with_1_and_no_traceback(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["--list-routes"]) == 1
    error = capsys.readouterr().err
    assert "No space left" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("flags", [("--version",), ("--list-routes",)])
def test_a_closed_stdout_is_no_traceback(flags: tuple[str, ...], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "omni_router", *flags]
    done = subprocess.run(argv, cwd=tmp_path, preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("flags", [("--promt", "x"), ("--list-routes", "--route-config", "broken.json")])
def test_the_exit_status_holds_when_stderr_cannot_be_written(flags: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("[")
    argv = [sys.executable, "-m", "omni_router", *flags]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(argv, cwd=tmp_path, stderr=full, check=False).returncode == 2


def test_a_picture_is_not_paid_for_when_it_cannot_be_saved(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    policy = str(tmp_path / "policy.json")
    flags = ["--router", "semantic", "--output-dir", "a-file", "--route-config", policy]
    with _sandbox.sandbox() as box:
        box_token = ["--hf-token", _sandbox.SANDBOX_TOKEN]
        assert main(["--prompt", "Draw a picture of a red fox in the snow", *flags, *box_token]) == 2
        assert [record for record in box.requests if record.method == "POST"] == []
