"""Parameters of a route: what an entry of the policy may say, what holds first, and how they are read from text."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from omni_router import Settings
from omni_router.config.parameters import (
    NO_PARAMETERS,
    PARAMETERS,
    RouteParameters,
    matches,
    parse_organization,
    parse_patterns,
    parse_prefer,
    parse_price,
    split_prefer,
)
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Document, parameters_of, parse_document

CHAT: dict[str, Any] = {"name": "chat", "description": "small talk"}
ALL: dict[str, Any] = {
    "system": "Be brief.",
    "temperature": 0,
    "max_new_tokens": 200,
    "reasoning_effort": "low",
    "prefer": "cheapest",
    "only": ["acme/*", "*:fast"],
    "never": ["acme/old"],
    "max_price": 2.5,
    "boards": ["acme/board"],
}


def parse(*entries: dict[str, Any]) -> Document:
    return parse_document(json.dumps(entries), Path("route_config.json"))


def test_every_key_is_read() -> None:
    document = parse({**CHAT, **ALL})
    assert document.warnings == ()
    assert document.routes[0].parameters == RouteParameters(
        system="Be brief.",
        temperature=0,
        max_new_tokens=200,
        reasoning_effort="low",
        prefer="cheapest",
        only=(("acme/*", "*:fast"),),
        never=("acme/old",),
        max_price=2.5,
        boards=("acme/board",),
    )
    assert ALL.keys() == PARAMETERS.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("system", " "),
        ("system", ["Be brief."]),
        ("temperature", 2.1),
        ("temperature", True),
        ("temperature", math.nan),
        ("max_new_tokens", 0),
        ("max_new_tokens", 10.0),
        ("reasoning_effort", "deep"),
        ("prefer", "cheap"),
        ("prefer", -0.1),
        ("prefer", False),
        ("boards", {}),
    ],
)
def test_a_value_that_is_not_allowed_is_ignored_and_named(key: str, value: Any) -> None:
    document = parse({**CHAT, key: value})
    assert document.routes[0].parameters == NO_PARAMETERS
    [warning] = document.warnings
    assert f"\"{key}\" of route 'chat' is ignored: {value!r} is not {PARAMETERS[key][1]}" in warning


@pytest.mark.parametrize(
    ("key", "value"), [("only", "acme/*"), ("only", [7]), ("never", [""]), ("max_price", "1"), ("max_price", math.inf)]
)
def test_a_limit_that_cannot_be_read_allows_no_model(key: str, value: Any) -> None:
    document = parse({**CHAT, key: value})
    [group] = document.routes[0].parameters.only
    assert group == (f"nothing, until {key} is {PARAMETERS[key][1]}",)
    assert not matches(group[0], "acme/model", "fast")
    [warning] = document.warnings
    assert f"\"{key}\" of route 'chat' allows no model: {value!r} is not {PARAMETERS[key][1]}" in warning


def test_null_and_an_empty_list_say_nothing() -> None:
    document = parse({**CHAT, "prefer": None, "only": [], "never": []})
    assert (document.routes[0].parameters, document.warnings) == (NO_PARAMETERS, ())


def test_the_entry_of_all_routes_fills_in_what_a_route_leaves_open_and_its_limits_hold_as_well() -> None:
    general = {"name": "*", "prefer": "fastest", "system": "Be kind.", "only": ["acme/*"], "max_price": 2}
    own = {**CHAT, "prefer": 0, "only": ["*:fast"], "never": ["acme/old"], "max_price": 3}
    document = parse(own, {"name": "law", "description": "contracts"}, general)
    assert document.warnings == ()
    chat, law = (route.parameters for route in document.routes)
    assert (chat.prefer, chat.system, chat.only) == (0, "Be kind.", (("*:fast",), ("acme/*",)))
    assert (chat.never, chat.max_price) == (("acme/old",), 2)
    assert law == RouteParameters(prefer="fastest", system="Be kind.", only=(("acme/*",),), max_price=2)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("max_prize", "max_price"),
        ("temprature", "temperature"),
        ("Prefer", "prefer"),
        ("max_tokens", "max_new_tokens"),
        ("model", "models"),
    ],
)
def test_a_key_that_is_nearly_one_of_ours_is_named(key: str, meant: str) -> None:
    [warning] = parse({**CHAT, key: 1}).warnings
    assert warning == f'"{key}" of route \'chat\' has no effect; "{meant}" was probably meant'


@pytest.mark.parametrize("key", ["notes", "owner", "description_de", "examples_old", "cost_center", "team", "v2"])
def test_keys_of_ones_own_are_no_typos(key: str) -> None:
    assert parse({**CHAT, key: 1}).warnings == ()


def test_parameters_are_found_by_the_name_of_the_route(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{**CHAT, "temperature": 1}]))
    policy = RouteFile(path, RouteParameters(max_price=1))
    assert parameters_of(policy, "chat") == RouteParameters(temperature=1, max_price=1)
    assert parameters_of(policy, "gone") == parameters_of(policy, None) == NO_PARAMETERS


# ---- as text


@pytest.mark.parametrize(("text", "value"), [("best", "best"), (" Fastest ", "fastest"), ("0", 0), ("0.015", 0.015)])
def test_what_is_preferred_is_a_word_or_a_number(text: str, value: object) -> None:
    assert parse_prefer(text) == value
    assert Settings(prefer=value).prefer == value


@pytest.mark.parametrize("text", ["", "cheap", "-1", "nan", "inf", "true", "\u0661"])
def test_any_other_preference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"one of best, balanced, cheapest, fastest, or a number of at least 0"):
        parse_prefer(text)


def test_prices_patterns_and_organizations_are_read_from_text() -> None:
    assert (parse_price("0"), parse_price(" 1.5 ")) == (0, 1.5)
    assert parse_patterns("acme/*,  *:fast,") == ("acme/*", "*:fast")
    assert parse_organization(" my-org_2.0 ") == "my-org_2.0"
    for parse_text, text in (
        (parse_price, "-1"),
        (parse_price, "1 USD"),
        (parse_patterns, ","),
        (parse_organization, "a b"),
    ):
        with pytest.raises(ValueError, match=r"dollars|patterns|name"):
            parse_text(text)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("omni:cheapest", ("omni", "cheapest")),
        ("omni/chat:0.02", ("omni/chat", 0.02)),
        ("omni/a:b", ("omni/a:b", None)),
        ("omni", ("omni", None)),
    ],
)
def test_a_preference_is_split_off_a_name(name: str, parts: tuple[str, object]) -> None:
    assert split_prefer(name) == parts


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("prefer", "cheap", "Input should be one of best, balanced"),
        ("prefer", True, "Input should be one of best, balanced"),
        ("only", "acme/*", "Input should be a valid tuple"),
        ("never", [" "], "Input should be a list of patterns like org/*, org/name or *:provider; one of them is blank"),
        ("max_price", math.inf, "finite number"),
        ("max_price", -1, "greater than or equal to 0"),
        ("bill_to", "a\r\nX-Y: z", "Input should be the name of an organization"),
        ("reasoning_effort", "deep", "'none', 'minimal', 'low', 'medium', 'high' or 'xhigh'"),
    ],
)
def test_settings_refuse_what_a_policy_would_ignore(field: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate({field: value})
    [error] = refusal.value.errors()
    assert says in error["msg"]
