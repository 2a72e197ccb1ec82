"""A real PostgreSQL server, one for all tests of the histories, with an empty database for each."""

from collections.abc import Iterator

import pytest

from tests.support.histories import SharedPlace, empty_database
from tests.support.postgres import postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql() as address:
        yield address


@pytest.fixture
def address(server: str) -> str:
    """The address of a database without tables."""
    empty_database(server)
    return server


@pytest.fixture(params=["store", "PostgreSQL"])
def place(request: pytest.FixtureRequest) -> Iterator[SharedPlace]:
    """A place that several processes share."""
    place = SharedPlace()
    if request.param == "PostgreSQL":
        place = SharedPlace(request.getfixturevalue("address"))
    yield place
    place.close()


@pytest.fixture
def database(address: str) -> Iterator[SharedPlace]:
    """A database that several processes share."""
    place = SharedPlace(address)
    yield place
    place.close()
