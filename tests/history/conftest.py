"""A real PostgreSQL server, one for all tests of the histories, and an empty store on it."""

from collections.abc import Iterator

import pytest
from langgraph.store.base import BaseStore

from omni_router.history.postgresql import PostgreSQL
from tests.support.postgres import postgresql


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with postgresql() as address:
        yield address


@pytest.fixture
def postgres(address: str) -> Iterator[BaseStore]:
    store = PostgreSQL(address)
    for item in store.search(("omni_router",), limit=100_000):
        store.delete(item.namespace, item.key)
    yield store
    store.close()
