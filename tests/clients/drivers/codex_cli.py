"""The Codex CLI, which speaks the Responses API alone: `python codex_cli.py BASE_URL FEATURE`, `codex` on the path.

It always streams, so `stream` is what `chat` is.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CONFIG = """
model = "omni"
model_provider = "omni"

[model_providers.omni]
name = "omni"
base_url = "{base_url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
SECONDS = 60


def start(base_url: str, home: Path, prompt: str, *flags: str) -> "subprocess.Popen[str]":
    """Start a run in a folder of its own, which prints events as JSON lines."""
    work, codex_home = home / "work", home / "codex"
    work.mkdir(exist_ok=True)
    codex_home.mkdir(exist_ok=True)
    (codex_home / "config.toml").write_text(CONFIG.format(base_url=base_url))
    return subprocess.Popen(
        ["codex", "exec", "--json", "--skip-git-repo-check", *flags, "--", prompt],  # noqa: S607
        cwd=work,
        env={**os.environ, "CODEX_HOME": str(codex_home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(base_url: str, prompt: str, *flags: str, files: "dict[str, bytes] | None" = None) -> list[dict[str, object]]:
    """Run to the end, and return the events."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        for name, content in (files or {}).items():
            (work / name).write_bytes(content)
        process = start(base_url, Path(folder), prompt, *flags)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        finally:
            process.terminate()
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def text_of(events: list[dict[str, object]]) -> str:
    """Return the messages of the agent."""
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    return "\n".join(item["text"] for item in items if item["type"] == "agent_message")  # type: ignore[index]


def chat(base_url: str) -> None:
    """Check an answer."""
    events = run(base_url, "How do tides work?")
    assert "How do tides work?" in text_of(events), events
    assert events[-1]["type"] == "turn.completed", events


stream = chat


def tools(base_url: str) -> None:
    """Check that a command is run and its end answered."""
    events = run(base_url, "Run exec_command, please.")
    kinds = [event["item"]["type"] for event in events if event["type"] == "item.completed"]  # type: ignore[index]
    assert "command_execution" in kinds, events
    assert events[-1]["type"] == "turn.completed", events


def images(base_url: str) -> None:
    """Check that an image arrives."""
    events = run(base_url, "Say what you see.", "--image", "dot.png", files={"dot.png": base64.b64decode(DOT)})
    assert "image/png" in text_of(events), events


def structured(base_url: str) -> None:
    """Check JSON by a schema."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    files = {"schema.json": json.dumps(schema).encode()}
    events = run(base_url, "The weather in Paris?", "--output-schema", "schema.json", files=files)
    assert set(json.loads(text_of(events))) == {"city"}, events


def cancel(base_url: str) -> None:
    """Check that a run may be interrupted, and the server answers the next one."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(base_url, Path(folder), "How do tides work?")
        assert process.stdout is not None
        for line in process.stdout:
            if "turn.started" in line:
                break
        process.terminate()
        process.wait(SECONDS)
        process.stdout.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure ends the turn with the server's message."""
    events = run(base_url, "Go [[sandbox:bad_request_400]]")
    assert events[-1]["type"] == "turn.failed", events
    assert "not accept" in str(events[-1]) or "bad_request" in str(events[-1]), events


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
