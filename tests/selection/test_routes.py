"""What a router is shown of the routes."""

from omni_router.config.routes import Route
from omni_router.routers import OTHER
from omni_router.selection.routes import route_options

CODE = Route("code", "text-generation", "writing code", ("fix this bug", "write a loop"))
LEARNED = {"code": ("sort a list", "fix this bug"), OTHER: ("book a table", "call my mother")}


def test_unchanged_examples_are_the_same_object_in_every_turn() -> None:
    """Else every turn compares thousands of texts to see that a fitted head is still the right one."""
    others = ("call my mother", "switch on the light")
    for learned in ({}, LEARNED):
        first, second = (
            route_options([CODE], lambda name, learned=learned: list(learned.get(name, ())), list(others))[0]  # type: ignore[misc]
            for _ in range(2)
        )
        assert first.examples is second.examples
        assert first.out_of_scope_examples is second.out_of_scope_examples


def test_learned_examples_stand_behind_the_others_and_are_marked() -> None:
    [option] = route_options([CODE], lambda name: LEARNED.get(name, ()), ("call my mother",))
    assert option.examples == ("fix this bug", "write a loop", "sort a list", "fix this bug")
    assert option.learned == {"sort a list"}  # the other one is an example of the policy
    assert option.out_of_scope_examples == ("call my mother", "book a table")  # each once
