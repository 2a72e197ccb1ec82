"""The table of routers: one entry makes a router available, and each name that a user may give has one."""

import json
from collections.abc import Sequence

import pytest

from omni_router import Services, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.cli.root import parse
from omni_router.cli.validators import RouterChoice
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.services import router as services_router
from omni_router.services.router import ROUTERS, choose_router


class LongestName:
    """A router of one module with `reply` alone: it chooses the route with the longest name."""

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        name = max((route.name for route in routes), key=len)
        return Reply(json.dumps({"route": name, "model": None, "reason": conversation[-1]["content"]}))


def test_a_router_is_one_module_and_one_entry(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROUTERS, "longest", lambda _: LongestName())
    monkeypatch.setenv("OMNI_ROUTER", "longest")
    services = Services.from_environment()
    names = [route.name for route in services.policy.routes() if route.task != "image-text-to-text"]
    result = build_graph(services).compile().invoke({"messages": [user_message("Hello there")]})
    assert result["decision"]["route"] == max(names, key=len)
    assert result["decision"]["reason"].endswith(": Hello there")
    assert result["error"] is None
    assert sandbox.requests, "a simulated model has answered"


def test_a_name_without_an_entry_is_refused_with_those_that_have_one() -> None:
    environment = Environment.read(variables={"OMNI_ROUTER": "waterfall"})
    with pytest.raises(ConfigurationError, match=r"OMNI_ROUTER must be one of auto, .*cascade, not 'waterfall'"):
        choose_router(environment)


def test_the_command_line_offers_the_names_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROUTERS, "waterfall", ROUTERS["semantic"])
    assert RouterChoice().choices == (*ROUTERS,)
    assert parse(["--list-routes", "--router", "waterfall"]).params["router"] == "waterfall"


def test_english_and_other_languages_have_an_encoder_each_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment.read(variables={"OMNI_ROUTER": "semantic"})
    monkeypatch.setattr(services_router, "_semantic", {})
    assert isinstance(choose_router(environment), MultilingualRouter)
    named = Environment.read(variables={"OMNI_ROUTER": "semantic", "OMNI_ENCODER": "sandbox/encoder-1"})
    assert type(choose_router(named)) is SemanticRouter
    monkeypatch.setattr(services_router, "_semantic", {})
    monkeypatch.setattr(services_router, "is_installed", lambda: False)
    assert type(choose_router(environment)) is SemanticRouter


@pytest.mark.parametrize(("variables", "precision"), [({}, "int8"), ({"OMNI_ENCODER_PRECISION": "float32"}, "float32")])
def test_the_precision_of_the_environment_is_that_of_the_encoder(
    variables: dict[str, str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services_router, "_semantic", {})
    routers = [
        choose_router(Environment.read(variables={"OMNI_ROUTER": "semantic", **each}))
        for each in ({"OMNI_ENCODER_PRECISION": "float32"}, variables, {"OMNI_ENCODER_PRECISION": "int8"})
    ]
    assert isinstance(routers[1], SemanticRouter)
    assert isinstance(routers[1].encoder, SentenceEncoder)
    assert routers[1].encoder.precision == precision
    assert routers[0] is not routers[2]
