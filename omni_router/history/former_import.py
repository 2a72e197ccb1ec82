"""Take what former versions stored in LangGraph's table `store` over into the tables of today, once."""

import base64
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from omni_router.history.backlog import Batch
from omni_router.history.cooldowns import last_end, parse_cooldowns
from omni_router.history.former import former_sums
from omni_router.history.spending import read_account
from omni_router.history.tables import add_accepted

Database = Connection[DictRow]

# The table is LangGraph's only if it has these columns; another program may have one of the same name.
IS_LANGGRAPHS = """
    SELECT count(*) = 3 AS answer FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = 'store'
    AND (column_name, data_type) IN (('prefix', 'text'), ('key', 'text'), ('value', 'jsonb'))
"""


class Row(NamedTuple):
    """A row of LangGraph's table."""

    namespace: tuple[str, ...]  # below that of the space
    key: str
    value: dict[str, Any]


def import_former(database: Database) -> None:
    """Take over everything; the transaction that creates the tables does this, under its lock."""
    answer = database.execute(IS_LANGGRAPHS).fetchone()
    if not answer or not answer["answer"]:
        return
    by_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    found = database.execute("SELECT prefix, key, value FROM store WHERE starts_with(prefix, 'omni_router.')")
    for row in found.fetchall():
        space, namespace = "real", tuple(row["prefix"].split("."))[1:]
        if namespace[0] == "sandbox":
            space, namespace = "sandbox", namespace[1:]
        if namespace and isinstance(row["value"], dict):
            by_kind[space, namespace[0]].append(Row(namespace, row["key"], row["value"]))
    for (space, kind), rows in by_kind.items():
        if kind in IMPORTS:
            IMPORTS[kind](database, space, rows)


def _import_uses(database: Database, space: str, rows: Sequence[Row]) -> None:
    add_accepted(database, space, Batch(f"former versions, {space}", 1, former_sums(rows)))


def _import_cooldowns(database: Database, space: str, rows: Sequence[Row]) -> None:
    for row in rows:
        if cooldowns := parse_cooldowns(row.value.get("waits")):
            values = (space, row.key, Jsonb(cooldowns), last_end(cooldowns))
            database.execute("INSERT INTO omni_router_cooldowns VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", values)


def _import_examples(database: Database, space: str, rows: Sequence[Row]) -> None:
    for row in rows:
        values = (space, row.key, row.value.get("text"), row.value.get("route"), row.value.get("at"))
        if all(isinstance(value, str) for value in values):
            database.execute(
                "INSERT INTO omni_router_examples VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", values
            )


def _import_labels(database: Database, space: str, rows: Sequence[Row]) -> None:
    statement = """
        INSERT INTO omni_router_labels (label, space, encoder, route, vector, at, text)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (label) DO NOTHING
    """
    labels: list[tuple[Any, ...]] = []
    for row in rows:
        with suppress(KeyError, TypeError, ValueError):  # not a label
            route, at, vector = str(row.value["route"]), float(row.value["at"]), base64.b64decode(row.value["vector"])
            text = row.value.get("text")
            if text is None or isinstance(text, str):
                labels.append((row.key, space, row.namespace[-1], route, vector, at, text))
    for label in sorted(labels, key=itemgetter(5)):
        database.execute(statement, label)


def _import_spending(database: Database, space: str, rows: Sequence[Row]) -> None:
    statement = """
        INSERT INTO omni_router_spending AS known VALUES (%s, %s, %s)
        ON CONFLICT (space, day) DO UPDATE SET spent = known.spent + EXCLUDED.spent
    """
    for row in rows:
        account = read_account(row.value, row.namespace[-1])
        database.execute(statement, (space, account.day, account.spent))
        for call in account.calls:
            values = (space, account.day, call)
            database.execute("INSERT INTO omni_router_calls VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", values)


IMPORTS: Mapping[str, Callable[[Database, str, Sequence[Row]], None]] = {
    "history": _import_uses,
    "cooling": _import_cooldowns,
    "examples": _import_examples,
    "lessons": _import_labels,
    "spending": _import_spending,
}
