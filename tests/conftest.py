"""The fixtures of all tests, and in which order and how many at a time tests run."""

from typing import Any

import pytest

pytest_plugins = ["tests.support.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that start servers first: they wait for other processes, and take longest."""
    slow = {item.path for item in items if item.get_closest_marker("loopback")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files, and tests/server, which shares its servers, as one."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "tests/server" if file.startswith("tests/server/") else file

    return Scheduling(config, log)
