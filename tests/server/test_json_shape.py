"""Bodies that would become many times their size when they are parsed, and honest ones of any size."""

import asyncio
import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from omni_router import Services
from omni_router.server import bodies
from omni_router.server.bodies import MAX_DEPTH, MAX_VALUES, TooLarge, check_values, parse_json
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.messages import read_messages
from tests.support.api_server import serving
from tests.support.openai_server import openai_server
from tests.support.scripted_router import ScriptedRouter

MB = 1_000_000


def parsed(body: bytes) -> Any:
    return asyncio.run(parse_json(body))


ABSURD = {
    "lists": b"[" + b"[]," * MAX_VALUES + b"[]]",
    "objects": b"[" + b"{}," * MAX_VALUES + b"{}]",
    "numbers": b"[" + b"1," * (2 * MAX_VALUES) + b"1]",
    "keys": b"{" + b",".join(b'"%d":1' % i for i in range(MAX_VALUES + 2)) + b"}",
    "texts": b"[" + b'"",' * MAX_VALUES + b'"a"]',
    "texts without commas": b'""' * (2 * MAX_VALUES + 2) + b"," * (MAX_VALUES + 1),
    "lists after a long text": b'["' + b'a, \\" {' * MB + b'",' + b"[]," * MAX_VALUES + b"1]",
    "messages": json.dumps({"messages": [{"role": "user", "content": "a"}] * MAX_VALUES}).encode(),
}


@pytest.mark.parametrize("body", ABSURD.values(), ids=ABSURD)
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orjson, "loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(TooLarge, match=f"more than {MAX_VALUES} values"):
        parsed(body)


HONEST: dict[str, Callable[[], Any]] = {
    "a table": lambda: "a,b,c,d\n" * (5 * MB // 8),
    "a program": lambda: '{"a": [1, 2, {"b": "c\\\\"}]},\n' * (5 * MB // 30),
    "backslashes": lambda: "\\" * (2 * MB + 1),
    "quotes": lambda: '"' * (2 * MB),
    "Chinese": lambda: "你好," * (2 * MB),
    "an image": lambda: "data:image/png;base64," + "A" * (14 * MB),
    "a thousand messages": lambda: [{"role": "user", "content": "a, b", "name": "x"}] * 1000,
    "a schema": lambda: json.loads('{"properties": {"a": ' * 25 + "{}" + "}}" * 25),
}


@pytest.mark.parametrize("make_value", HONEST.values(), ids=HONEST)
def test_an_honest_body_is_parsed(make_value: Callable[[], Any]) -> None:
    for value in (make_value(), [make_value()]):
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
            assert parsed(text.encode()) == value


keys = some.text('"\\,', max_size=3)


@given(
    value=some.recursive(
        some.text('a,[]{}"\\\n', max_size=6) | some.integers(0, 99),
        lambda inner: some.lists(inner, max_size=4) | some.dictionaries(keys, inner, max_size=4),
    ),
    most=some.integers(0, 12),
)
@settings(max_examples=500, deadline=None)
def test_what_stands_within_a_text_is_not_counted(value: Any, most: int) -> None:
    def values(inside: Any) -> int:
        if isinstance(inside, dict | list):
            children = inside.values() if isinstance(inside, dict) else inside
            return 1 + max(len(inside) - 1, 0) + sum(values(child) for child in children)
        return 0

    body = orjson.dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "MAX_VALUES", most)
        if values(value) > most:
            with pytest.raises(TooLarge):
                check_values(body)
        elif body.count(b'"') <= 4 * most:
            check_values(body)


@given(body=some.binary(max_size=60) | some.text('[]{},:"\\a1', max_size=60).map(str.encode))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "MAX_VALUES", 3)
        try:
            parsed(body)
        except (TooLarge, orjson.JSONDecodeError):
            return


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    assert parsed(nested(MAX_DEPTH)) is not None
    with pytest.raises(TooLarge, match=f"more than {MAX_DEPTH} deep"):
        parsed(nested(MAX_DEPTH + 1))
    with pytest.raises(TooLarge):
        parsed(b'{"a":' * 900 + b"1" + b"}" * 900)


def test_text_is_bounded_by_the_memory_it_takes() -> None:
    letters = "word " * (3 * MB)
    assert parsed(json.dumps([letters]).encode()) == [letters]
    with pytest.raises(TooLarge, match="memory"):  # one such sign, and each letter takes four bytes
        parsed(json.dumps([letters + "😀"], ensure_ascii=False).encode())


def test_a_large_body_is_parsed_by_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    real = bodies._parse

    def noted(body: bytes) -> Any:
        threads.append(threading.current_thread())
        return real(body)

    monkeypatch.setattr(bodies, "_parse", noted)
    assert len(parsed(b'"' + b"a" * MB + b'"')) == MB
    assert parsed(b"[1]") == [1]
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


def test_arguments_of_a_call_that_hold_too_many_values_stay_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": ABSURD["lists"].decode()}}
    tracemalloc.start()
    try:
        [message] = read_messages([{"role": "assistant", "tool_calls": [call]}], DecisionMemory())
        assert tracemalloc.get_traced_memory()[1] < 5 * MB
    finally:
        tracemalloc.stop()
    assert getattr(message, "invalid_tool_calls", [])[0]["name"] == "f"


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_the_api_says_what_is_too_large(services: Services, router: ScriptedRouter) -> None:
    with openai_server(services) as url:
        for path in ("chat/completions", "images/generations", "route"):
            response = httpx.post(
                f"{url}/{path}", content=ABSURD["messages"], headers={"content-type": "application/json"}
            )
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (413, "request_too_large")
            assert f"more than {MAX_VALUES} values" in error["message"]
    assert router.asked == []


def test_a_wrong_value_that_is_nested_deeply_is_named() -> None:
    with pytest.raises(ApiError, match=r"messages\[0\] is \[\[\["):
        read_messages(json.loads("[" * 99 + "]" * 99), DecisionMemory())


def most_memory(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


@pytest.mark.enable_socket
@pytest.mark.loopback
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the most memory of a process")
def test_the_largest_image_takes_a_few_times_its_size(tmp_path: Path) -> None:
    """Of a real server: the sandbox in it, which plays the provider, takes some memory too."""
    from tests.images.test_header import encoded

    image = encoded("PNG", (2000, 2000), compress_level=0)
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_base64(image)}"}}]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": parts}], "model": "omni/image_understanding"}
    with serving(tmp_path, "--sandbox") as (url, process):
        small: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
        assert httpx.post(f"{url}/chat/completions", json=small, timeout=120).status_code == 200
        Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="utf-8")  # begin anew
        before = most_memory(process.pid, "VmRSS")
        assert httpx.post(f"{url}/chat/completions", json=body, timeout=120).status_code == 200
        assert most_memory(process.pid, "VmHWM") - before < 250 * MB


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
