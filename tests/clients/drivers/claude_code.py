"""Claude Code as a client: `python tests/clients/drivers/claude_code.py BASE_URL FEATURE`, with `claude` on the path.

It is started in an empty folder with a home of its own, and exits with 1 and a reason.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUESTION = "How do tides work?"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII="
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
SECONDS = 120


@contextmanager
def claude(base_url: str, *flags: str, model: str = "omni") -> Iterator["subprocess.Popen[str]"]:
    """Start the command line with one request; it has no variable of this process but the path."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "ANTHROPIC_BASE_URL": base_url.removesuffix("/v1"),
            "ANTHROPIC_AUTH_TOKEN": "none",
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "DISABLE_AUTOUPDATER": "1",
        }
        pipe = subprocess.PIPE
        command = ["claude", "-p", *flags]
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def ask(base_url: str, *flags: str, text: str = QUESTION, model: str = "omni") -> dict[str, Any]:
    """Return the result of a request."""
    with claude(base_url, "--output-format", "json", *flags, model=model) as process:
        output, _ = process.communicate(text, timeout=SECONDS)
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        sys.exit(f"no JSON: {output}")
    return result


def chat(base_url: str) -> None:
    result = ask(base_url, "--tools", "")
    check(not result["is_error"] and result["result"], f"the result is {result}")
    check(result["usage"]["input_tokens"] > 0, f"no usage: {result['usage']}")


def stream(base_url: str) -> None:
    flags = ("--output-format", "stream-json", "--include-partial-messages", "--verbose", "--tools", "")
    with claude(base_url, *flags) as process:
        output, _ = process.communicate(QUESTION, timeout=SECONDS)
    events = [json.loads(line) for line in output.splitlines()]
    kinds = [event["event"]["type"] for event in events if event["type"] == "stream_event"]
    check(kinds.count("content_block_delta") > 1 and kinds[-1] == "message_stop", f"the events are {kinds}")


def tools(base_url: str) -> None:
    result = ask(base_url, "--allowedTools", "TaskCreate", text="Create a task about the tides.")
    check(not result["is_error"] and result["num_turns"] > 1, f"no tool was used: {result}")


def images(base_url: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [{"type": "text", "text": "What is in this image?"}, image]
    message = {"type": "user", "message": {"role": "user", "content": content}}
    flags = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--tools", "")
    with claude(base_url, *flags) as process:
        output, _ = process.communicate(json.dumps(message) + "\n", timeout=SECONDS)
    events = [json.loads(line) for line in output.splitlines()]
    models = [event["message"]["model"] for event in events if event["type"] == "assistant"]
    check(any("image-text-to-text" in model for model in models), f"the image was given to {models}: {output}")


def structured(base_url: str) -> None:
    result = ask(base_url, "--json-schema", json.dumps(SCHEMA))
    check("place" in (result.get("structured_output") or {}), f"no structured output: {result}")


def cancel(base_url: str) -> None:
    flags = ("--output-format", "stream-json", "--include-partial-messages", "--verbose", "--tools", "")
    with claude(base_url, *flags) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(QUESTION)
        process.stdin.close()
        check(any("content_block_delta" in line for line in process.stdout), "there was no text")
        process.kill()
        process.stdin = None  # it is closed
    chat(base_url)


def error(base_url: str) -> None:
    result = ask(base_url, "--tools", "", model="nowhere")
    check(result["is_error"] and result["api_error_status"] == 404, f"the result is {result}")


FEATURES = {f.__name__: f for f in (chat, stream, tools, images, structured, cancel, error)}


def check(holds: object, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    address, feature = sys.argv[1:]
    FEATURES[feature](address)
