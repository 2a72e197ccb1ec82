import json
import time
from typing import Any

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import example, given
from hypothesis import strategies as st

from omni_router.model_id import is_model_id, split_model_id
from omni_router.routers import Proposal, parse_reply
from omni_router.routers.reply import without_thinking

XY = Proposal("x", "a/b", "why")
NOTHING = Proposal(None, None, "")
STRICT = '{"route": "x", "model": "a/b", "reason": "why"}'

SALVAGED = {
    "strict JSON": (STRICT, XY),
    "any case of keys": ('{"Route": "x", "MODEL": "a/b", "Reason": "why"}', XY),
    "white space around values": ('{"route": " x\\n", "model": " a/b ", "reason": " why "}', XY),
    "prose around": (f"I think {{maybe}} it's this: {STRICT} because {{of that}}.", XY),
    "a brace in prose": (f"A set {{ isn't one: {STRICT}", XY),
    "a fence": (f"```json\n{STRICT}\n```", XY),
    "single quotes": ("{'route': 'x', 'model': 'a/b', 'reason': 'why'}", XY),
    "the checkpoint's own form": ("{'route': 'code_generation'}", Proposal("code_generation", None, "")),
    "Python literals": ("{'route': 'x', 'model': None, 'sure': True, 'reason': 'why'}", Proposal("x", None, "why")),
    "JSON literals": ('{"route": null, "model": null, "reason": null}', NOTHING),
    "trailing commas": ('{"route": "x", "model": "a/b", "reason": "why",},', XY),
    "a missing comma": ('{"route": "x"\n "model": "a/b" "reason": "why"}', XY),
    "no quotes": ("{route: x, model: a/b, reason: it's so}", Proposal("x", "a/b", "it's so")),
    "typographic quotes": ("{“route”: “x”, “model”: “a/b”, “reason”: “why”}", XY),
    "single typographic quotes": ("{‘route’: ‘x’, ‘reason’: ‘it’s so’}", Proposal("x", None, "it’s so")),  # noqa: RUF001
    "typographic quotes inside": ('{"route": "x", "reason": "a “b”, c"}', Proposal("x", None, "a “b”, c")),
    "apostrophe in single quotes": (
        "{'route': 'x', 'reason': 'it's the user's'}",
        Proposal("x", None, "it's the user's"),
    ),
    "apostrophe in double quotes": ('{"route": "x", "reason": "it\'s so"}', Proposal("x", None, "it's so")),
    "escaped apostrophe": (r"{'route': 'x', 'reason': 'it\'s so'}", Proposal("x", None, "it's so")),
    "unescaped quotes inside": ('{"route": "x", "reason": "the "best" one"}', Proposal("x", None, 'the "best" one')),
    "a route named in the reason": (
        '{"route": "x", "reason": "not {\\"route\\": \\"y\\"}, {z}"}',
        Proposal("x", None, 'not {"route": "y"}, {z}'),
    ),
    "cut off in a key": ('{"route": "x", "model": "a/b", "reas', Proposal("x", "a/b", "")),
    "cut off after a key": ('{"route": "x", "model": "a/b", "reason":', Proposal("x", "a/b", "")),
    "cut off in the reason": ('{"route": "x", "model": "a/b", "reason": "beca', Proposal("x", "a/b", "beca")),
    "cut off in the model": ('{"route": "x", "model": "a/bc', Proposal("x", None, "")),
    "cut off in the route": ('{"route": "code_gen', NOTHING),
    "thinking": ('<think>{"route": "no"}</think>' + STRICT, XY),
    "thinking that began in the prompt": ('{"route": "no"}</think>' + STRICT, XY),
    "thinking without end": ('<think>so {"route": "x"}', NOTHING),
    "a closing tag in the reason": ('{"route": "x", "reason": "a </think> b"}', Proposal("x", None, "a </think> b")),
    "thinking tags in strict JSON": ('{"reason": "y<think>", "route": "x"}', Proposal("x", None, "y<think>")),
    "a list of objects": (f"[{STRICT}]", XY),
    "a list around the route": ('{"route": ["x", "y"], "model": ["a/b"], "reason": "why"}', XY),
    "an object around": (f'{{"answer": {STRICT}}}', XY),
    "doubled braces": (f"{{{STRICT}}}", XY),
    "several objects": ('{"route": null, "model": "c/d"} ' + STRICT + ' {"route": "z"}', XY),
    "an object without a route": ('{"model": "a/b", "reason": "why"}', Proposal(None, "a/b", "why")),
    "a key twice": ('{"route": "x", "model": "a/b", "reason": "why", "route": "y"}', XY),
    "a number as route": ('{"route": 7, "model": "a/b", "reason": "why"}', Proposal(None, "a/b", "why")),
    "markdown escapes": ('{"route": "a\\_b"}', Proposal("a_b", None, "")),
    "a provider": ('{"route": "x", "model": "a/b:fal-ai", "reason": "why"}', Proposal("x", "a/b", "why", "fal-ai")),
    "a placeholder": ('{"route": "x", "model": "organization/model_name"}', Proposal("x", None, "")),
    "a lone surrogate": ('{"route": "x\\ud800"}', Proposal("x\ufffd", None, "")),
    "no braces": ('"route": "x", "model": "a/b", "reason": "why"', XY),
    "no braces, typographic quotes": ("“route”: “x”", Proposal("x", None, "")),
    "no braces, lines": ("route: x\nmodel: a/b\nreason: why", XY),
    "no braces, no quotes": ("route: x", Proposal("x", None, "")),
    "no braces, other": ("Route: other.", Proposal("other", None, "")),
    "no braces, after thinking": ("<think>route: no</think>\nroute: x", Proposal("x", None, "")),
    "no braces, thinking that began in the prompt": ("route: no</think>route: x", Proposal("x", None, "")),
    "no braces, prose before": ("Sure! Here it is:\n\nroute: x\n", Proposal("x", None, "")),
    "no braces, Windows": ("route: x\r\nreason: why\r\n", Proposal("x", None, "why")),
    "no braces, Markdown": ("- **Route:** x\n- **Model:** a/b\n- **Reason:** why", XY),
    "no braces, code marks": ("`route`: `x`", Proposal("x", None, "")),
    "no braces, null": ("route: null", NOTHING),
    "no braces, a name of two words": ("route: 'x y'", Proposal("x y", None, "")),
    "no braces, cut off in quotes": ('"route": "code_gen', NOTHING),
    "prose with a colon": ("the route: I would say code", NOTHING),
    "prose that begins with the key": ("Route: I would say x", NOTHING),
    "prose, then the key within a line": ("I think route: x", NOTHING),
    "an object counts before a line": ("route: y\n" + STRICT, XY),
    "a line in an object's reason": ('{"model": "a/b", "reason": "\nroute: y"}', Proposal(None, "a/b", "route: y")),
    "prose only": ("I would take the code route.", NOTHING),
    "nothing": ("", NOTHING),
}


@pytest.mark.parametrize(("text", "expected"), SALVAGED.values(), ids=SALVAGED)
def test_parse_reply_salvages(text: str, expected: Proposal) -> None:
    reply = parse_reply(text)
    assert (reply.route, reply.model, reply.reason.strip(), reply.provider) == (
        expected.route,
        expected.model,
        expected.reason.strip(),
        expected.provider,
    )


@pytest.mark.parametrize("odd", [None, 5, b"{}", {"route": "x"}, ["x"]])
def test_parse_reply_is_kind_to_what_is_not_text(odd: Any) -> None:
    assert parse_reply(odd) == NOTHING


FRAGMENTS = ["{", "}", "[", "]", ":", ",", '"', "'", "\\", "“", "”", "<think>", "</think>", "route", "model", " ", "\n"]


@given(
    st.text(alphabet=st.characters()) | st.lists(st.sampled_from([*FRAGMENTS, "\ud800", "\\u", "\\x4"])).map("".join)
)
def test_parse_reply_never_raises(text: str) -> None:
    reply = parse_reply(text)
    assert reply.reason.encode() is not None  # no lone surrogate gets through
    assert reply.model is None or is_model_id(reply.model)


@given(st.text(), st.text())
@example('a", "route": "y', "\\")
def test_strict_json_and_python_repr_round_trip(route: str, reason: str) -> None:
    expected = Proposal(route.strip() or None, "a/b", reason.strip())
    reply = {"route": route, "model": "a/b", "reason": reason}
    if "<think>" not in route + reason and "</think>" not in route + reason:
        assert parse_reply(json.dumps(reply)) == expected
        assert parse_reply(json.dumps(reply, ensure_ascii=False, indent=1)) == expected
        assert parse_reply(repr(reply)) == expected


@given(st.data())
def test_truncation_after_a_complete_field_keeps_it(data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([json.dumps, repr]))
    complete = written({"route": "code", "model": "a/b", "reason": "it's fine"})
    cut = data.draw(st.integers(0, len(complete)))
    reply = parse_reply(complete[:cut])
    assert reply.route == ("code" if cut > complete.index("code") + 4 else None)
    assert reply.model == ("a/b" if cut > complete.index("a/b") + 3 else None)


UNITS = [
    "{",
    '"',
    "'",
    '{"',
    '{"a":',
    "\\",
    '{"a":"\\"',
    "<think>",
    "</think>",
    "<think></think>",
    "{a:'",
    '{"route":"x",',
]
UNITS += ["route: ", "\nroute:", "“route”: “", "route: x y\n", "> ", "-", "{ " + " " * 999, "{" + "a " * 20, "["]
UNITS += ["“", "{ ", " ", "\n", '{a:" ', "{'a':'b' ", "x", "{'route': 'it's "]


@pytest.mark.timeout(60)  # it takes well under a second; in quadratic time it would take hours
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("start", ["", '{"route":"', "{'reason': '"])
def test_five_megabytes_are_read_in_linear_time(unit: str, start: str) -> None:
    parse_reply(start + unit * (5_000_000 // len(unit)))


@pytest.mark.parametrize("blanks", [" ", "\n", "\t", "\u2003"])
@pytest.mark.parametrize("start", ["{", "{ 'a", "{ 'route", "{'route'", "{'route':", '{"route": "x"', "route:", "{a b"])
def test_an_endless_run_of_blanks_is_read_in_linear_time(start: str, blanks: str) -> None:
    def work(size: int) -> float:
        text, best = start + blanks * size + "!", float("inf")
        for _ in range(3):
            began = time.thread_time()
            parse_reply(text)
            best = min(best, time.thread_time() - began)
        return best

    assert work(60_000) < 30 * max(work(4000), 0.0003)


def test_a_long_preamble_does_not_hide_the_reply() -> None:
    assert parse_reply("{so} and " * 100_000 + STRICT) == XY


IDS = st.from_regex(r"[\w.\-éß]{0,6}/[\w.\-é]{0,6}", fullmatch=True)
LONG = st.tuples(st.integers(90, 100), st.integers(90, 100)).map(lambda n: "a" * n[0] + "/" + "b" * n[1])


@given(IDS | LONG | IDS.map(lambda text: text + ".git") | st.text(alphabet="ab_.-/\n:", max_size=12))
@example("a/b\n")
@example("a/b.git")
@example("_a_/_")
def test_model_ids_are_what_the_hub_validates(text: str) -> None:
    if text.count("/") != 1:
        assert not is_model_id(text)
        return
    try:
        validate_repo_id(text)
    except HFValidationError:
        assert not is_model_id(text)
    else:
        assert is_model_id(text)


PLACEHOLDERS = [
    "organization/model_name",
    "org/name",
    "provider/model",
    "author/model-name",
    "your-org/your-model",
    "namespace/repo",
    "Org/Model_ID",
    "username/repo-name",
    "huggingface/model",
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_are_no_model_ids(text: str) -> None:
    assert not is_model_id(text)
    assert split_model_id(text) == (None, None)


@pytest.mark.parametrize(
    "text", ["a/b", "sandbox/text-to-image-1", "acme/x-1", "org/model", "katanemo/Arch-Router-1.5B"]
)
def test_names_are_model_ids(text: str) -> None:
    assert split_model_id(f" {text} ") == (text, None)
    assert split_model_id(f"{text}:hf-inference") == (text, "hf-inference")


@pytest.mark.parametrize("policy", ["auto", "fastest", "cheapest", "preferred"])
def test_a_way_to_choose_a_provider_is_kept(policy: str) -> None:
    assert split_model_id(f"acme/chat-1:{policy}") == ("acme/chat-1", policy)


@pytest.mark.parametrize(
    "text", ["", "model", "a/b/c", "a/b:", "a/b:X", "a/b:c:d", "https://huggingface.co/a/b", "a b/c"]
)
def test_what_is_not_org_slash_name_is_not_a_model_id(text: str) -> None:
    assert split_model_id(text) == (None, None)


def test_thinking_is_cut_however_it_is_marked() -> None:
    assert without_thinking("<think>a</think>b<think>c") == "b"
    assert without_thinking("a</think>b") == "b"
    assert without_thinking("a <b> c") == "a <b> c"
