"""Callers that are served together: what each is given, and who hears of a failure."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from omni_router.routers import RouteOption, Turn
from omni_router.routers.semantic.concurrency import MicroBatcher
from omni_router.routers.semantic.router import SemanticRouter


class Halves:
    """Halves numbers; the first batch waits until a test lets it go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[float]:
        self.batches.append(list(numbers))
        self.begun.set()
        assert self.go_on.wait(timeout=20)
        return [1 / number for number in numbers]


def served(numbers: Sequence[int], halves: Halves, most: int) -> list[float | Exception]:
    """Have one number served, and all others come meanwhile."""
    together = MicroBatcher(halves, most)

    def one(number: int) -> float | Exception:
        try:
            return together(number)
        except ZeroDivisionError as error:
            return error

    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(one, numbers[0])
        assert halves.begun.wait(timeout=20)
        others = [pool.submit(one, number) for number in numbers[1:]]
        while len(together._waiting) < len(numbers) - 1:
            pass
        halves.go_on.set()
        return [future.result(timeout=20) for future in (first, *others)]


def test_who_comes_meanwhile_is_served_together_and_each_gets_its_own() -> None:
    halves = Halves()
    assert served([1, 2, 4, 5, 8], halves, most=3) == [1, 0.5, 0.25, 0.2, 0.125]
    assert sorted(map(len, halves.batches)) == [1, 1, 3]


def test_a_failure_is_told_to_the_one_at_fault_alone() -> None:
    halves = Halves()
    first, second, third = served([1, 0, 4], halves, most=3)
    assert (first, third) == (1, 0.25)
    assert isinstance(second, ZeroDivisionError)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_whatever_ends_one_leaves_the_others_to_be_served(end: type[BaseException]) -> None:
    def serve(numbers: Sequence[int]) -> list[int]:
        if 1 in numbers:
            raise end
        return list(numbers)

    together = MicroBatcher(serve, 3)
    with pytest.raises(end):
        together(1)
    assert together(2) == 2


def test_the_embedded_router_says_the_same_to_many_at_once_as_to_each_alone(semantic: SemanticRouter) -> None:
    routes = [RouteOption("code", "writing programs"), RouteOption("weather", "rain and sunshine")]
    asked = [[Turn(role="user", content=text)] for text in ("sort a list", "will it rain?", "hello", "fix my loop")]
    alone = [semantic.reply(talk, routes) for talk in asked]
    with ThreadPoolExecutor(16) as pool:
        many = list(pool.map(lambda talk: semantic.reply(talk, routes), asked * 8))
    assert [reply.text.partition(";")[0] for reply in many] == [reply.text.partition(";")[0] for reply in alone] * 8
