"""Histories that former versions wrote into a LangGraph store are read, whatever stores a history now.

`former_store.json` has what the last such version wrote on five days from six processes, with a compacted day,
feedback, a cooldown, spending, teacher labels and a sandbox, and what it exported.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres import PostgresStore

from omni_router import sandbox
from omni_router.history.label_postgresql import PostgresLabelStore
from omni_router.history.label_store import LangGraphLabelStore
from omni_router.history.postgresql_spending import PostgresLedger
from omni_router.history.spending import Ledger
from omni_router.history.store_spending import StoreLedger
from omni_router.routers.cascade.labels import LabelStore
from tests.support.clock import Clock
from tests.support.histories import NOW, SharedPlace, rows, use

FORMER = json.loads(Path(__file__).with_name("former_store.json").read_text(encoding="utf-8"))


def fill(store: BaseStore) -> None:
    for item in FORMER["items"]:
        store.put(tuple(item["space"]), item["key"], item["value"])


@pytest.fixture
def former(place: SharedPlace) -> SharedPlace:
    """A place that a former version has used."""
    if place.address is None:
        fill(place.store)
        return place
    with PostgresStore.from_conn_string(place.address) as store:
        store.setup()
        fill(store)
    return place


def by_route(entries: Sequence[Any]) -> dict[str, Any]:
    """Return models and examples by route; the order of models and the writing of names may differ."""
    routes: dict[str, Any] = {}
    for entry in entries:
        models = {model["id"]: model for model in entry["models"]}
        routes[entry["name"].casefold()] = (models, entry["learned"])
    return routes


def test_a_former_history_is_taken_over_whole_and_goes_on(former: SharedPlace) -> None:
    history = former.history()
    assert by_route(history.export()) == by_route(FORMER["export"])
    assert [wait["kind"] for wait in history.cooling()["acme/gone"]] == ["overloaded"]
    before = former.records()["acme/m1"]["uses"]
    former.history().record(use())
    assert former.records()["acme/m1"]["uses"] == before + 1


def test_what_a_former_sandbox_recorded_stays_apart(former: SharedPlace) -> None:
    assert set(former.records("chat")) == {"acme/m1", "acme/m2"}
    with sandbox():
        assert set(former.records("chat")) == {"sandbox/text-generation-1"}


def test_a_decision_that_a_former_version_counted_is_not_counted_again(former: SharedPlace) -> None:
    before = former.records()["acme/m1"]["uses"]
    former.history().record(use(decision="d18"))
    assert former.records()["acme/m1"]["uses"] == before


def test_spending_and_labels_of_a_former_version_are_read(former: SharedPlace) -> None:
    ledger: Ledger
    labels: LabelStore
    if former.address is None:
        ledger = StoreLedger(lambda: former.store, Clock(NOW))
        labels = LangGraphLabelStore(lambda: former.store, lambda: "e")
    else:
        ledger = PostgresLedger(former.address, Clock(NOW))
        labels = PostgresLabelStore(former.address, lambda: "e")
    assert ledger.spent() == 1.5
    ledger.spent()
    ledger.add(0.25, "call 1")  # a resumed run reports it again
    assert ledger.spent() == 1.5
    found = labels.read() or ()
    assert [(label.at, label.text) for label in found] == [(1000, None), (1001, "who is it?"), (1002, "who is it?")]
    assert [list(label.vector).index(1) for label in found] == [0, 1, 2]


def test_processes_that_start_together_take_it_over_once(database: SharedPlace) -> None:
    with PostgresStore.from_conn_string(database.address or "") as store:
        store.setup()
        fill(store)
    histories = [database.history() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        exports = list(pool.map(lambda history: by_route(history.export()), histories))
    assert exports == [by_route(FORMER["export"])] * 6


def test_the_former_table_stays_as_it_is(former: SharedPlace) -> None:
    former.history().record(use())
    if former.address is None:
        found = {(item.namespace, item.key) for item in former.store.search((), limit=1000)}
    else:
        table = rows(former.address, "SELECT prefix, key FROM store")
        found = {(tuple(prefix.split(".")), key) for prefix, key in table}
    assert found >= {(tuple(item["space"]), item["key"]) for item in FORMER["items"] if "history" in item["space"]}


def test_a_table_of_the_same_name_that_is_not_langgraphs_is_left_alone(database: SharedPlace) -> None:
    import psycopg

    with psycopg.connect(database.address or "") as connection:
        connection.execute("CREATE TABLE store (prefix integer, town text)")
    assert database.history().record(use())
    assert set(database.records()) == {"acme/m1"}


def test_a_store_with_damaged_items_is_read_without_them(place: SharedPlace) -> None:
    store = InMemoryStore()
    damaged: list[Any] = [{"space": ["omni_router", "history", "2026-06-15"], "key": "x", "value": {"route": 7}}]
    damaged += [{"space": ["omni_router", "examples"], "key": "x", "value": {"text": "no route"}}]
    damaged += [{"space": ["omni_router", "cooling"], "key": "x", "value": {"waits": "no list"}}]
    damaged += [{"space": ["omni_router", "lessons", "e"], "key": "x", "value": {"vector": "no label"}}]
    damaged += [{"space": ["omni_router", "spending", "2026-06-15"], "key": "x", "value": {"spent": "much"}}]

    def put_all(target: BaseStore) -> None:
        fill(target)
        for item in damaged:
            target.put(tuple(item["space"]), item["key"], item["value"])

    if place.address is None:
        place.store = store
        put_all(store)
    else:
        with PostgresStore.from_conn_string(place.address) as table:
            table.setup()
            put_all(table)
    assert by_route(place.history().export()) == by_route(FORMER["export"])
