"""The command line `llm`, installed beside this Python: `python llm_cli.py BASE_URL FEATURE`."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import ASK_IMAGE, ASK_WEATHER, BAD_REQUEST, DOT, FOLLOW_UP, QUESTION, SCHEMA, WEATHER

MODELS = """
- model_id: omni
  model_name: omni
  api_base: {base_url}
  supports_tools: true
  supports_schema: true
  vision: true
"""
FUNCTION = f'''
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return "{WEATHER}"
'''
SECONDS = 60


class Folder:
    """A folder with the settings and the log of the command."""

    def __init__(self, path: Path, base_url: str) -> None:
        self.path = path
        (path / "extra-openai-models.yaml").write_text(MODELS.format(base_url=base_url), encoding="utf-8")

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("llm")), "prompt", "-m", "omni", *arguments],
            env={**os.environ, "LLM_USER_PATH": str(self.path), "OPENAI_API_KEY": "none"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, *arguments: str, status: int = 0) -> str:
        """Run the command to its end, and return what it prints."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        assert process.returncode == status, output
        return output


@contextmanager
def folder(base_url: str) -> Iterator[Folder]:
    """Make a folder for one feature."""
    with tempfile.TemporaryDirectory() as path:
        yield Folder(Path(path), base_url)


def chat(base_url: str) -> None:
    """Check an answer, and one that continues the conversation."""
    with folder(base_url) as llm:
        assert "Simulated answer" in llm.ask("--no-stream", QUESTION)
        assert FOLLOW_UP in llm.ask("--no-stream", "--continue", FOLLOW_UP)


def stream(base_url: str) -> None:
    """Check a streamed answer, which is the command's default."""
    with folder(base_url) as llm:
        assert "Simulated answer" in llm.ask(QUESTION)


def tools(base_url: str) -> None:
    """Check that a function is called and its result answered, streamed and not."""
    with folder(base_url) as llm:
        for flags in ([], ["--no-stream"]):
            assert WEATHER in llm.ask("--functions", FUNCTION, *flags, ASK_WEATHER)


def images(base_url: str) -> None:
    """Check that an image arrives."""
    with folder(base_url) as llm:
        image = llm.path / "dot.png"
        image.write_bytes(base64.b64decode(DOT))
        assert "image/png" in llm.ask("--attachment", str(image), ASK_IMAGE)


def structured(base_url: str) -> None:
    """Check JSON by a schema."""
    with folder(base_url) as llm:
        answer = llm.ask("--schema", json.dumps(SCHEMA), ASK_WEATHER)
        assert set(json.loads(answer)) == set(SCHEMA["required"]), answer


def cancel(base_url: str) -> None:
    """Check that the command may be ended at its first text, and the server answers the next one."""
    with folder(base_url) as llm:
        process = llm.start(QUESTION)
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.terminate()
        process.wait(SECONDS)
        process.stdout.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is reported with the server's message."""
    with folder(base_url) as llm:
        output = llm.ask(BAD_REQUEST, status=1)
        assert "does not accept this request" in output, output


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
