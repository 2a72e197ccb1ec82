"""Every regular expression that meets foreign text: sixteen times the text takes about sixteen times the work.

Python searches with a regular expression without letting any other thread work. One whose work grows with the square of
the text lets a single request stop a server.
"""

import ast
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from langchain_core.messages import HumanMessage

import omni_router
from omni_router._sandbox import calls, chat, faults, images, models, schema_filler, tool_calls
from omni_router.artifacts import _file_name
from omni_router.evaluation.policy_overlap import _phrases
from omni_router.hub.errors import scrub
from omni_router.model_id import is_model_id, split_model_id
from omni_router.routers.arch.reply_form import ID_FIRST, ID_PART, ID_WITH_SLASH
from omni_router.routers.conversation import render_conversation
from omni_router.routers.reply import parse_reply, without_thinking
from omni_router.routers.semantic.features import words_of
from omni_router.routers.semantic.request_text import split_request
from omni_router.routers.semantic.training_set import split_phrases
from omni_router.server.allowed_hosts import _NAME
from omni_router.server.context_check import _PATHS
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.messages import read_messages
from omni_router.server.openai.users import _HASH
from omni_router.server.openai.users import _NAME as _USER_NAME
from omni_router.ui.chat import image_address

PACKAGE = Path(omni_router.__file__).parent
SMALL, LARGE = 4096, 65_536
MOST = 48  # times the work for 16 times the text, some of which is read twice; quadratic work would grow 256 times
FLOOR = 0.0003  # seconds: below, the clock is read for longer than the text


class Reader(NamedTuple):
    """What reads foreign text with a regular expression, and what such text is made of to be hard to read."""

    read: Callable[[str], object]
    fragments: tuple[str, ...]


def _route(text: str) -> object:
    return parse_reply('{"route": ' + text)


def _reason(text: str) -> object:
    return parse_reply('{"reason": "' + text)


def _conversation(text: str) -> object:
    return render_conversation([HumanMessage(text)])


def _answered(text: str) -> object:
    return read_messages([{"role": "assistant", "content": text}], DecisionMemory())


def _called(text: str) -> object:
    call = calls.Call("conversational", "sandbox/text-generation-1", None, text, {})
    return chat._pieces(replace(call, body={"messages": [{"role": "user", "content": text}]}), None)


def _json_text(text: str) -> object:
    call = calls.Call("conversational", "sandbox/text-generation-1", None, text, {})
    return tool_calls.json_text(replace(call, body={"response_format": {"type": "json_object"}}))


REPLY = (
    "{",
    " ",
    '"',
    "'",
    "“",
    "a",
    "-",
    ":",
    ",",
    "route",
    "\n",
    "\\",
    "\\u00",
    "<think>",
    "</think>",
    "7",
    "}",
    "[",
)

READERS: dict[str, Reader] = {
    "artifacts.py _file_name": Reader(_file_name, ("a", "_", "-", "/", ".", " ")),
    "hub/errors.py scrub": Reader(scrub, ("hf_", "a", "1", "-", "_", "h")),
    "model_id.py _MODEL_ID": Reader(is_model_id, ("a", "-", ".", "/", "_", "\n")),
    "model_id.py _BETWEEN_WORDS": Reader(is_model_id, ("model", "-", ".", "/", "_")),
    "model_id.py _PROVIDER": Reader(lambda text: split_model_id(f"a/b:{text}"), ("a", "-", ":", " ")),
    "evaluation/policy_overlap.py _phrases": Reader(_phrases, (";", ".", " ", "a", "!", "\n")),
    "routers/semantic/training_set.py split_phrases": Reader(split_phrases, (";", ".", " ", "a", "and", "or", "\n")),
    "routers/conversation.py _DATA_URL": Reader(
        _conversation, ("data:", "a", ";", "base64,", ";base64,", "=", "/", " ")
    ),
    "routers/arch/reply_form.py ID_FIRST": Reader(ID_FIRST.fullmatch, ("a", ".", "-", "/", " ")),
    "routers/arch/reply_form.py ID_PART": Reader(ID_PART.fullmatch, ("a", ".", "-", "/", " ")),
    "routers/arch/reply_form.py ID_WITH_SLASH": Reader(ID_WITH_SLASH.fullmatch, ("a", ".", "-", "/", " ")),
    "routers/reply.py _THINKING": Reader(without_thinking, ("<think>", "</think>", "<", "a", "\n")),
    "routers/reply.py _CLOSING": Reader(parse_reply, REPLY),
    "routers/reply.py _OBJECT": Reader(parse_reply, REPLY),
    "routers/reply.py _BARE": Reader(
        parse_reply, ("route", ":", "\n", " ", ">", "*", "'", "a", ".", "route:", "\nroute: a")
    ),
    "routers/reply.py _TOKEN": Reader(_route, REPLY),
    "routers/reply.py _AFTER_VALUE": Reader(_reason, REPLY),
    "routers/reply.py _ESCAPE": Reader(_reason, ("\\", "u", "x", "0", "U", "a")),
    "routers/reply.py _NO_NAME": Reader(_route, ("null", "1", "e", "-", ".", "+")),
    "routers/semantic/features.py UNDIVIDED": Reader(words_of, ("写", "a", " ", "。", "글")),
    "routers/semantic/features.py words_of": Reader(words_of, ("a", " ", ",", "_")),
    "routers/semantic/paragraphs.py SENTENCES": Reader(
        split_request,
        (" ", ".", "?", "a", "\n", "\n\n", "<a>", "</a>", "<a>\n", "```", "```\n", "> ", ":", "Q: ", "Task: ", "。"),
    ),
    "server/context_check.py _PATHS": Reader(
        _PATHS.fullmatch, ("/threads/", "a", "/runs", "/wait", "/crons/", "/assistants/")
    ),
    "server/allowed_hosts.py _NAME": Reader(_NAME.fullmatch, ("a", "-", ".", "_", " ")),
    "server/openai/messages.py _OUR_FILE": Reader(
        _answered, ("![", "[", "]", "(", ")", "data:image/", "png", ";base64,", "a", "![](data:image/")
    ),
    "server/openai/users.py _NAME": Reader(_USER_NAME.fullmatch, ("a", ".", "-", "_", " ")),
    "server/openai/users.py _HASH": Reader(_HASH.fullmatch, ("a", "0", "g")),
    "ui/chat.py _ADDRESS": Reader(image_address, ("https://", "http", "a", ".", ".png", "?", "/", " ", '"')),
    "ui/chat.py _IMAGE_ADDRESS": Reader(image_address, ("https://", "a", ".", ".png", ".jpg", "?", "?.gif", "/")),
    "_sandbox/calls.py _PATHS": Reader(
        lambda text: [pattern.fullmatch(text) for pattern in calls._PATHS],
        ("/hf-inference/models/", "/fal-ai/", "/replicate/v1/models/", "/predictions", "a", "/"),
    ),
    "_sandbox/chat.py _pieces": Reader(
        _called,
        (" ", "\n", "a", "."),
    ),
    "_sandbox/faults.py _DIRECTIVE": Reader(faults.without_directives, ("[[sandbox:", "a", "*", "1", "]", "[", "]]")),
    "_sandbox/schema_filler.py _NUMBER": Reader(schema_filler._NUMBER.findall, ("1", ".", "-", "a", " ")),
    "_sandbox/schema_filler.py _QUOTED": Reader(schema_filler._QUOTED.findall, ("'", '"', "“", "”", "a", " ")),
    "_sandbox/schema_filler.py _NAME": Reader(schema_filler._NAME.findall, ("A", "a", "-", ",", " ", "a A")),
    "_sandbox/schema_filler.py SchemaFiller": Reader(
        lambda text: schema_filler.SchemaFiller({}, text), ("1", "'", '"', "“", "a", " ", "A")
    ),
    "_sandbox/tool_calls.py json_text": Reader(_json_text, ("'", '"', "a", " ", "_")),
    "_sandbox/tool_calls.py _significant_words": Reader(tool_calls._significant_words, ("a", "A", " ", "_", "1")),
    "_sandbox/models.py _ID": Reader(models._ID.fullmatch, ("sandbox/", "a", "-", "1", "a-")),
    "_sandbox/images.py _ORDERED": Reader(images._ORDERED.fullmatch, ("/", "a", "1", "-", "x", ".png")),
}
# What reads only what this package itself wrote.
OURS = {
    "_version.py _version_of_checkout",  # our own pyproject.toml
    "server/langgraph_config.py _compiled",  # the pattern of whoever configures the server, who is trusted with it
}


def _uses(path: Path) -> Iterator[str]:
    """Name where a file uses `re`: the constant that is assigned, or else the function."""
    for top in ast.parse(path.read_text(encoding="utf-8")).body:
        if any(_is_use(node) for node in ast.walk(top)):
            targets = getattr(top, "targets", [None])
            name = getattr(targets[0], "id", None) or getattr(top, "name", "?")
            yield f"{path.relative_to(PACKAGE).as_posix()} {name}"


def _is_use(node: ast.AST) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"


def test_every_regular_expression_is_listed() -> None:
    used = {use for path in PACKAGE.rglob("*.py") for use in _uses(path)}
    assert used == {*READERS, *OURS}


def _work(read: Callable[[str], object], text: str) -> float:
    began = time.thread_time()  # the machine may be busy with others
    read(text)
    return max(time.thread_time() - began, FLOOR)


def _check(read: Callable[[str], object], start: str, unit: str, end: str) -> None:
    few, many = (start + unit * (size // len(unit)) + end for size in (SMALL, LARGE))
    small, large = _work(read, few), _work(read, many)
    for _ in range(4):
        if large > MOST * small:  # perhaps only a hiccup: the best of several times counts
            small, large = min(small, _work(read, few)), min(large, _work(read, many))
    assert large <= MOST * small, f"{start!r}, {unit!r} again and again, {end!r}"


@pytest.mark.parametrize("name", READERS)
def test_sixteen_times_the_text_takes_about_sixteen_times_the_work(name: str) -> None:
    reader = READERS[name]
    fragments = some.lists(some.sampled_from(reader.fragments), min_size=1, max_size=3).map("".join)

    @given(start=some.just("") | fragments, unit=fragments, end=some.just("") | fragments)
    @settings(max_examples=30, deadline=None, database=None)
    def check(start: str, unit: str, end: str) -> None:
        _check(reader.read, start, unit, end)

    check()


@pytest.mark.parametrize("name", READERS)
def test_a_single_fragment_again_and_again_is_linear(name: str) -> None:
    reader = READERS[name]
    for start in ("", *reader.fragments):
        for unit in reader.fragments:
            for end in ("", "z"):
                _check(reader.read, start, unit, end)
