"""The table of environment variables: each is read by its name, refused with what is allowed, and described."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from omni_router import Services, Settings
from omni_router.config.client_environment import ClientEnvironment
from omni_router.config.environment import VARIABLES, Environment, ServerEnvironment, read_variable
from omni_router.config.parsing import Variable
from omni_router.config.spending_budget import Budget
from omni_router.errors import ConfigurationError
from omni_router.routers.cascade.labels import MAX_LABELS
from omni_router.routers.cascade.router import TARGET
from omni_router.routers.endpoint.router import TIMEOUT

READ = {
    "OMNI_ROUTE_CONFIG": ("p.json", Path("p.json")),
    "OMNI_OUTPUT_DIR": ("out", Path("out")),
    "OMNI_ROUTER": ("arch", "arch"),
    "OMNI_ROUTER_MODEL": ("org/router", "org/router"),
    "OMNI_ROUTER_PROMPT": ("trained", "trained"),
    "OMNI_ROUTER_NEW_IDS": ("1", True),
    "OMNI_ROUTER_URL": (" http://localhost:8000 ", "http://localhost:8000"),
    "OMNI_ROUTER_API_KEY": ("key\n", "key"),
    "OMNI_ROUTER_TIMEOUT": ("0.5", 0.5),
    "OMNI_ENCODER": ("org/encoder", "org/encoder"),
    "OMNI_ENCODER_PRECISION": ("float32", "float32"),
    "OMNI_CASCADE_TARGET": ("0.8", 0.8),
    "OMNI_CASCADE_SIZE": ("10", 10),
    "OMNI_CASCADE_PATH": ("labels", Path("labels")),
    "OMNI_CASCADE_TEXT": ("yes", True),
    "OMNI_FALLBACK_ROUTE": (" small_talk ", "small_talk"),
    "OMNI_MAX_NEW_TOKENS": ("500", 500),
    "OMNI_REASONING_EFFORT": ("low", "low"),
    "OMNI_PREFER": (" Cheapest ", "cheapest"),
    "OMNI_ONLY": ("org/*, *:provider,", ("org/*", "*:provider")),
    "OMNI_NEVER": ("org/model", ("org/model",)),
    "OMNI_MAX_PRICE": ("1.5", 1.5),
    "OMNI_BILL_TO": (" my-org\n", "my-org"),
    "OMNI_SANDBOX": ("on", True),
    "OMNI_SANDBOX_LATENCY": ("0.25", 0.25),
    "OMNI_SANDBOX_MODELS": ("models.json", Path("models.json")),
    "OMNI_CACHE_DIR": ("cache", Path("cache")),
    "OMNI_HISTORY": ("store", "store"),
    "OMNI_EVIDENCE": ("shadow", "shadow"),
    "OMNI_BUDGET": ("0.5/thread, 5/day", Budget(0.5, 5)),
    "OMNI_DECISION_LOG": ("log.jsonl", Path("log.jsonl")),
    "OMNI_DECISION_LOG_TEXT": ("true", True),
    "OMNI_TRACING": ("1", True),
    "OMNI_METRICS": ("1", True),
    "OMNI_THREADS": ("8", 8),
    "OMNI_API_KEY": (" s3cret\n", "s3cret"),
    "OMNI_MAX_BODY": ("1000", 1000),
    "OMNI_MAX_CONCURRENT": ("3", 3),
    "OMNI_USERS": ("users.json", Path("users.json")),
    "OMNI_HOSTS": ("a.example, *", frozenset({"a.example", "*"})),
    "OMNI_SERVER": (" http://localhost:8080/v1/ ", "http://localhost:8080"),
}

REFUSED = {
    "OMNI_SERVER": "localhost:8080",
    "OMNI_ROUTER_PROMPT": "xml",
    "OMNI_ROUTER_NEW_IDS": "perhaps",
    "OMNI_ROUTER_TIMEOUT": "inf",
    "OMNI_ENCODER_PRECISION": "int4",
    "OMNI_CASCADE_TARGET": "1.5",
    "OMNI_CASCADE_SIZE": "0",
    "OMNI_CASCADE_TEXT": "2",
    "OMNI_MAX_NEW_TOKENS": "-1",
    "OMNI_REASONING_EFFORT": "deep",
    "OMNI_PREFER": "cheap",
    "OMNI_ONLY": " , ",
    "OMNI_NEVER": ",",
    "OMNI_MAX_PRICE": "inf",
    "OMNI_BILL_TO": "my org\nX-Other: 1",
    "OMNI_SANDBOX": "perhaps",
    "OMNI_SANDBOX_LATENCY": "soon",
    "OMNI_EVIDENCE": "1",
    "OMNI_BUDGET": "5/week",
    "OMNI_DECISION_LOG_TEXT": "perhaps",
    "OMNI_TRACING": "perhaps",
    "OMNI_METRICS": "perhaps",
    "OMNI_THREADS": "0",
    "OMNI_API_KEY": "  ",
    "OMNI_MAX_BODY": "lots",
    "OMNI_MAX_CONCURRENT": "1.5",
}


def test_every_variable_is_in_the_tables_of_this_file() -> None:
    assert {variable.name for variable in VARIABLES} == READ.keys()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_a_variable_is_read(variable: Variable) -> None:
    text, value = READ[variable.name]
    assert read_variable(variable.name, {variable.name: text}) == value
    assert read_variable(variable.name, {variable.name: ""}) == variable.default
    assert variable.help


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_is_not_allowed_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be ") as refusal:
        read_variable(name, {name: REFUSED[name]})
    secret = next(variable.secret for variable in VARIABLES if variable.name == name)
    assert (repr(REFUSED[name]) in str(refusal.value)) is not secret


def test_the_older_name_of_a_variable_adds_to_it() -> None:
    environment = ServerEnvironment.read({"OMNI_HOSTS": "a.example", "OMNI_MCP_HOSTS": "b.example"})
    assert environment.hosts == {"a.example", "b.example"}


@pytest.mark.parametrize("flag", [{"router": "arch"}, {"router": None}])
def test_a_flag_wins_over_its_variable(flag: dict[str, Any]) -> None:
    environment = Environment.read(variables={"OMNI_ROUTER": "semantic"}, **flag)
    assert environment.router == (flag["router"] or "semantic")


def test_a_flag_is_checked_like_its_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"OMNI_ROUTER_PROMPT must be one of json, trained, not 'xml'"):
        Environment.read(router_prompt="xml", variables={})


def test_a_flag_without_a_variable_is_refused() -> None:
    with pytest.raises(TypeError, match="no variable has the field routr; the fields are route_config, "):
        Environment.read(routr="arch", variables={})


def test_the_limits_of_the_environment_hold_beside_those_of_the_policy(tmp_path: Path) -> None:
    policy = tmp_path / "route_config.json"
    policy.write_text(
        '[{"name": "*", "only": ["a/*"], "max_price": 3}, {"name": "x", "description": "y", "never": ["a/z"]}]'
    )
    variables = {"OMNI_ROUTE_CONFIG": str(policy), "OMNI_ONLY": "*:fast", "OMNI_NEVER": "b/*", "OMNI_MAX_PRICE": "2"}
    [route] = Services.from_environment(Environment.read(variables=variables)).policy.routes()
    limits = route.parameters
    assert (limits.only, limits.never, limits.max_price) == ((("a/*",), ("*:fast",)), ("a/z", "b/*"), 2)


def test_what_a_run_leaves_open_is_the_environments() -> None:
    variables = {"OMNI_PREFER": "0.02", "OMNI_REASONING_EFFORT": "high", "OMNI_BILL_TO": "my-org"}
    defaults = Services.from_environment(Environment.read(variables=variables)).defaults
    assert defaults == Settings(prefer=0.02, reasoning_effort="high", bill_to="my-org")
    assert Settings(prefer="best").filled_from(defaults).prefer == "best"


def test_secrets_are_not_shown() -> None:
    variables = {
        "OMNI_ROUTER_API_KEY": "s3cret",
        "OMNI_HISTORY": "postgresql://u:s3cret@h/d",
        "OMNI_ROUTER_URL": "http://u:s3cret@h",
    }
    assert "s3cret" not in repr(Environment.read(variables=variables))
    assert "s3cret" not in repr(ServerEnvironment.read({"OMNI_API_KEY": "s3cret"}))


def test_the_defaults_of_routers_are_those_of_their_modules() -> None:
    environment = Environment.read(variables={})
    assert (environment.cascade_target, environment.cascade_size) == (TARGET, MAX_LABELS)
    assert environment.router_timeout == TIMEOUT


def test_each_field_is_a_variable() -> None:
    names = [field.name for owner in (Environment, ServerEnvironment, ClientEnvironment) for field in fields(owner)]
    assert [variable.field for variable in VARIABLES] == names
