"""Calls that share work: what each returns, and which of them a failure reaches."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from omni_router.routers import RouteOption, Turn
from omni_router.routers.semantic.concurrency import LruCache, MicroBatcher
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


def served(numbers: Sequence[int], halves: Halves, most: int) -> list[float | BaseException]:
    """Submit all but the first number while the first is running; return the results, or what was raised."""
    batcher = MicroBatcher(halves, most)
    first = batcher.submit(numbers[0])
    assert halves.begun.wait(timeout=20)
    others = [batcher.submit(number) for number in numbers[1:]]
    halves.go_on.set()
    return [future.exception(timeout=20) or future.result() for future in (first, *others)]


def test_calls_that_arrive_meanwhile_are_one_batch_and_each_gets_its_own_result() -> None:
    halves = Halves()
    assert served([1, 2, 4, 5, 8], halves, most=3) == [1, 0.5, 0.25, 0.2, 0.125]
    assert sorted(map(len, halves.batches)) == [1, 1, 3]


def test_a_failure_is_raised_for_the_call_at_fault_alone() -> None:
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

    batcher = MicroBatcher(serve, 3)
    with pytest.raises(end):
        batcher(1)
    assert batcher(2) == 2


def test_the_embedded_router_says_the_same_to_many_at_once_as_to_each_alone(semantic: SemanticRouter) -> None:
    routes = [RouteOption("code", "writing programs"), RouteOption("weather", "rain and sunshine")]
    conversations = [
        [Turn(role="user", content=text)] for text in ("sort a list", "will it rain?", "hello", "fix my loop")
    ]
    alone = [semantic.reply(talk, routes) for talk in conversations]
    with ThreadPoolExecutor(16) as pool:
        many = list(pool.map(lambda talk: semantic.reply(talk, routes), conversations * 8))
    assert [reply.text.partition(";")[0] for reply in many] == [reply.text.partition(";")[0] for reply in alone] * 8


def test_a_cache_drops_what_was_not_used_for_longest() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (len(cache), cache.get("a"), cache.get("b"), cache.get("c")) == (2, 1, None, 3)
