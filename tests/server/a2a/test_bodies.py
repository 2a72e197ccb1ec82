"""Bodies of /a2a that are no request: a JSON-RPC error for the client, one line for the log."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from omni_router.server.a2a.bodies import MAX_DEPTH, is_deeper_than, refusal_of

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602


def call(method: str, params: str, version: str = "2.0") -> str:
    return f'{{"jsonrpc": "{version}", "id": 7, "method": "{method}", "params": {params}}}'


def message(parts: str, more: str = "") -> str:
    return f'{{"message": {{"role": "ROLE_USER", "messageId": "m", "parts": {parts}{more}}}}}'


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


BODIES: dict[str, tuple[str | bytes, int]] = {
    "nothing": ("", PARSE),
    "half an object": ("{", PARSE),
    "no UTF-8": (b"\xff\xfe{}", PARSE),
    "a list": ("[]", REQUEST),
    "a number": ("1", REQUEST),
    "null": ("null", REQUEST),
    "no method": ('{"jsonrpc": "2.0", "id": 7}', REQUEST),
    "another version": (call("GetTask", "{}", version="1.0"), REQUEST),
    "a method that is a number": ('{"jsonrpc": "2.0", "id": 7, "method": 5}', REQUEST),
    "an id that is an object": ('{"jsonrpc": "2.0", "id": {}, "method": "GetTask"}', REQUEST),
    "an unknown method": (call("Nothing", "{}"), METHOD),
    "params that are a number": (call("SendMessage", "5"), REQUEST),
    "a message that is a number": (call("SendMessage", '{"message": 5}'), PARAMS),
    "a message of 0.3 that is a number": (call("message/send", '{"message": 5}'), REQUEST),
    "no message": (call("SendMessage", "{}"), PARAMS),
    "no parts": (call("SendMessage", message("[]")), PARAMS),
    "half a character": (call("SendMessage", message(r'[{"text": "\ud800"}]')), PARAMS),
    "bytes that are no base64": (call("SendMessage", message('[{"raw": "a"}]')), PARAMS),
    "a task's id that is a number": (call("GetTask", '{"id": 5}'), PARAMS),
    "a page size that is a word": (call("ListTasks", '{"pageSize": "many"}'), PARAMS),
    "a number of five thousand digits": (call("GetTask", f'{{"id": {"9" * 5000}}}'), PARSE),
    "not a number": (call("GetTask", '{"id": NaN}'), PARSE),
    "an endless number": (call("GetTask", '{"id": 1e999}'), PARSE),
    "lists without end": ("[" * 100_000, PARSE),
    "a hundred thousand lists": ("[" * 100_000 + "]" * 100_000, PARSE),
    "five hundred objects": (call("SendMessage", nested(500)), REQUEST),
    "objects just past the limit": (
        call("SendMessage", message('[{"text": "x"}]', f', "metadata": {nested(MAX_DEPTH - 2)}')),
        REQUEST,
    ),
}


@pytest.mark.parametrize("what", BODIES)
def test_it_is_an_error_of_json_rpc_and_no_crash_in_the_log(url: str, folder: Path, what: str) -> None:
    body, code = BODIES[what]
    log = folder / "server.log"
    before = len(log.read_bytes())
    headers = {"content-type": "application/json", "a2a-version": "0.3" if "0.3" in what else "1.0"}
    response = httpx.post(f"{url}/a2a", content=body, headers=headers, timeout=60)
    answer: dict[str, Any] = response.json()
    assert (response.status_code, answer["jsonrpc"], answer["error"]["code"]) == (200, "2.0", code)
    assert answer["error"]["message"]
    written = log.read_bytes()[before:].decode()
    assert "Traceback" not in written
    assert "Error(" not in written


def test_metadata_as_deep_as_is_allowed_is_answered(url: str) -> None:
    body = call("SendMessage", message('[{"text": "Who wrote Emma?"}]', f', "metadata": {nested(MAX_DEPTH - 3)}'))
    headers = {"content-type": "application/json", "a2a-version": "1.0"}
    payload = httpx.post(f"{url}/a2a", content=body, headers=headers, timeout=60).json()
    assert payload["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


def test_more_values_than_anybody_sends_are_refused_before_they_are_parsed() -> None:
    refusal = refusal_of(call("SendMessage", message(f"[{'[],' * 200_000}1]")).encode())
    assert refusal is not None
    assert refusal.status_code == 413
    assert b"more than 100000 values" in bytes(refusal.body)


def test_depth_is_counted_in_levels() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = {"a": [1, 2]} if value == 1 else [value]
    assert not is_deeper_than(MAX_DEPTH + 1, value)
    assert is_deeper_than(MAX_DEPTH, value)
    assert not is_deeper_than(0, 1)
    assert is_deeper_than(0, [1])
