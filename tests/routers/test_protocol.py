"""What a router may do before its first request, and who may leave it out."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import omni_router.routers
from omni_router import Services
from omni_router.routers import BaseRouter, ComparingRouter, PreparableRouter, Reply, RouteOption, Turn, preparable
from omni_router.routers.auto import AutoRouter
from omni_router.routers.cascade.router import CascadeRouter
from omni_router.selection.warm_up import warm_up
from tests.support.scripted_router import ScriptedRouter

ROUTE = RouteOption("chat", "small talk")
TALK = [Turn(role="user", content="hi")]


class Recording(BaseRouter):
    """A router that records what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def load(self) -> None:
        self.calls.append("load")

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        self.calls.append(f"prepare {len(routes)}")

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.calls.append(f"reply {len(routes)}")
        return Reply("{}")


class OnlyReply:
    """All that the contract asks for."""

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        return Reply(f"{len(conversation)} turns, {len(routes)} routes")


def test_a_router_with_reply_alone_has_nothing_to_prepare_and_answers_as_itself() -> None:
    router = OnlyReply()
    assert not isinstance(router, PreparableRouter)
    prepared = preparable(router)
    prepared.load()
    prepared.prepare([ROUTE])
    assert prepared.reply(TALK, [ROUTE]) == router.reply(TALK, [ROUTE])


def test_a_router_that_can_be_prepared_is_returned_as_it_is() -> None:
    router = Recording()
    assert preparable(router) is router


def test_a_warm_up_loads_tries_one_set_of_routes_and_prepares_the_others(services: Services) -> None:
    router = Recording()
    warm_up(replace(services, router=router))
    assert router.calls[0] == "load"
    assert [call.split()[0] for call in router.calls[1:]] == ["reply", "prepare", "prepare"]


def test_a_warm_up_needs_no_more_than_reply(services: Services, router: ScriptedRouter) -> None:
    warm_up(services)
    assert len(router.asked) == 1


FOREIGN: tuple[str, ...] = (
    "langgraph",
    "langchain",
    "omni_router.services",
    "omni_router.history",
    "omni_router.selection",
)
FOREIGN += ("omni_router.decisions", "omni_router.config.environment", "omni_router.hub")
# What one file needs: to switch the reports of ONNX Runtime off, and to ask a decision model of LangChain.
ALLOWED = {
    "semantic/onnx_model.py": {"os"},
    "decision/router.py": {"langchain_core.decisions", "langchain_core.exceptions"},
}
FILES = sorted(Path(omni_router.routers.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_routers_read_no_variable_and_import_only_what_stands_above_them(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    foreign = {name for name in imported if name == "os" or name.startswith(FOREIGN)}
    assert foreign == ALLOWED.get(f"{path.parent.name}/{path.name}", set())


class Comparing(Recording):
    """A router with an embedding."""

    def likeness(self, first: str, second: str) -> float | None:
        return 1.0 if first == second else 0.0


def test_only_routers_with_an_embedding_compare() -> None:
    assert isinstance(Comparing(), ComparingRouter)
    assert not isinstance(Recording(), ComparingRouter)
    assert issubclass(CascadeRouter, ComparingRouter)


def test_auto_compares_with_the_router_that_it_has_chosen() -> None:
    for semantic, likeness in ((Comparing(), 1.0), (Recording(), None)):
        auto = AutoRouter(Recording(), semantic, Recording(), device=lambda: "cpu")
        assert auto.likeness("a", "a") is None, "none is chosen yet"
        auto.reply(TALK, [ROUTE])
        assert auto.likeness("a", "a") == likeness
