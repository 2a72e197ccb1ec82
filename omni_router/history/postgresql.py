"""History in tables of PostgreSQL: for many processes and machines, whose uses it adds up row by row."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from omni_router.config.records import ModelRecord
from omni_router.history.backlog import Batch
from omni_router.history.cooldowns import FORGET, Cooldowns, last_end, parse_cooldowns, write_time
from omni_router.history.database import Database
from omni_router.history.merging import MAX_MODELS, merge_bounded
from omni_router.history.protocol import Cooling
from omni_router.history.replica import Pair, Replica, View
from omni_router.history.shared import SharedHistory, example_times, utc_now
from omni_router.history.tables import MOST_SHOWN, REFUSED, add_batch, current_space, record_of
from omni_router.history.usage import MAX_LEARNED, digest, route_key
from omni_router.storage.store_link import Link

USES = "SELECT to_jsonb(omni_router_uses) AS row FROM omni_router_uses WHERE space = %s"
EXAMPLES = "SELECT name, text FROM omni_router_examples WHERE space = %s ORDER BY at"
COOLDOWNS = "SELECT model, cooldowns FROM omni_router_cooldowns WHERE space = %s"
PUT_EXAMPLE = """
    INSERT INTO omni_router_examples (space, digest, text, name, at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (space, digest) DO UPDATE SET name = EXCLUDED.name, at = EXCLUDED.at
"""
PUT_COOLDOWNS = """
    INSERT INTO omni_router_cooldowns (space, model, cooldowns, until) VALUES (%s, %s, %s, %s)
    ON CONFLICT (space, model) DO UPDATE SET cooldowns = EXCLUDED.cooldowns, until = EXCLUDED.until
"""
DELETE_COOLDOWNS = "DELETE FROM omni_router_cooldowns WHERE space = %s AND model = %s"
# A row that another process writes at this moment is skipped, so that neither waits for the other.
FORGET_WRITERS = """
    DELETE FROM omni_router_writers WHERE writer IN (
        SELECT writer FROM omni_router_writers WHERE at < now() - interval '90 days' FOR UPDATE SKIP LOCKED
    )
"""
FORGET_USES = """
    DELETE FROM omni_router_uses WHERE (space, route, model) IN (
        SELECT space, route, model FROM omni_router_uses AS known JOIN (
            SELECT space, route, model, row_number() OVER (PARTITION BY space, route ORDER BY last_used DESC) AS number
            FROM omni_router_uses WHERE last_used IS NOT NULL
        ) AS ranked USING (space, route, model)
        WHERE number > %s FOR UPDATE OF known SKIP LOCKED
    )
"""
FORGET_COOLDOWNS = """
    DELETE FROM omni_router_cooldowns WHERE (space, model) IN (
        SELECT space, model FROM omni_router_cooldowns WHERE space = %s AND until < %s FOR UPDATE SKIP LOCKED
    )
"""
FORGET_EXAMPLES = """
    DELETE FROM omni_router_examples WHERE (space, digest) IN (
        SELECT space, digest FROM omni_router_examples AS example JOIN (
            SELECT space, digest, row_number() OVER (PARTITION BY space, lower(btrim(name)) ORDER BY at DESC) AS number
            FROM omni_router_examples
        ) AS ranked USING (space, digest)
        WHERE number > %s FOR UPDATE OF example SKIP LOCKED
    )
"""

T = TypeVar("T")

logger = logging.getLogger("omni_router")


class PostgresHistory(SharedHistory):
    """What all processes know of each route; each use is one statement that adds it to the row of its model.

    Args:
        address: of the database, `postgresql://USER@HOST/DATABASE`; it is connected on first use.
        now: the clock, in UTC.

    Raises:
        ConfigurationError: the address cannot be read.
    """

    place = "PostgreSQL"

    def __init__(self, address: str, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._space = Database(address), current_space()
        self._replica = PostgresReplica(self._database, self._space, now)
        super().__init__(now)

    def replica(self) -> Replica:
        """Return this process's copy; a fork has another one than its parent."""
        if self._replica.process != os.getpid():
            self._replica = PostgresReplica(self._database, self._space, self.now)
        return self._replica

    def replicas(self) -> Iterable[Replica]:
        """Return the copies that may be written when the process ends."""
        return [self._replica]

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        self._database.close()


class PostgresReplica(Replica):
    """A copy of what the tables hold in one space."""

    def __init__(self, database: Database, space: str, now: Callable[[], datetime]) -> None:
        super().__init__(Link(), now)
        self._database, self._space = database, space

    def fetch(self) -> View:
        """Read everything."""
        return self._use(self._fetch)

    def tidy(self, day: datetime) -> None:
        """Delete the models and examples beyond what is kept of a route, and cooldowns that are over."""
        self._use(lambda database: self._tidy(database, day))

    def add(self, batch: Batch) -> Iterable[Pair]:
        """Add sums in one statement; the view gets the rows as they are then."""
        rows = self._use(lambda database: add_batch(database, self._space, batch))
        changed: dict[Pair, tuple[str, ModelRecord]] = {}
        for row in rows:
            if row["row"] and (record := record_of(row["row"])):
                changed[row["route"], row["model"]] = (row["row"]["name"], record)
        self.update_models(changed)
        return [(row["route"], row["model"]) for row in rows]

    def put_examples(self, examples: Mapping[str, str], at: datetime) -> None:
        """Make each text an example of a route, and of no other."""
        times = example_times(len(examples), at)
        values: list[tuple[str, ...]] = []
        for (text, route), time in zip(examples.items(), times, strict=True):
            values.append((self._space, digest(text), text, route, time))
        values.sort()  # rows are locked in one order, so that no two imports wait for each other

        def write(database: Connection[DictRow]) -> None:
            with database.transaction(), database.cursor() as cursor:
                cursor.executemany(PUT_EXAMPLE, values)

        if values:
            self._use(write)

    def put_cooldowns(self, cooldowns: Cooldowns) -> None:
        """Set the cooldowns of some models, or delete them where there are none."""

        def put(database: Connection[DictRow]) -> None:
            for model, each in cooldowns.items():  # each in a transaction of its own, so that none waits for another
                self._put_cooldowns(database, model, each)

        self._use(put)

    def _fetch(self, database: Connection[DictRow]) -> View:
        names: dict[str, str] = {}
        records: dict[str, list[ModelRecord]] = {}
        examples: dict[str, list[str]] = {}
        cooldowns: dict[str, Any] = {}
        space = (self._space,)
        for answer in database.execute(EXAMPLES, space):
            route = route_key(answer["name"])
            names[route] = answer["name"]
            examples[route] = [*examples.get(route, ()), answer["text"]][-MAX_LEARNED:]
        for answer in database.execute(USES, space):
            row = answer["row"]
            names[row["route"]] = row["name"]
            if record := record_of(row):
                records.setdefault(row["route"], []).append(record)
        for route, each in records.items():
            records[route] = merge_bounded(each)
        for answer in database.execute(COOLDOWNS, space):
            cooldowns[answer["model"]] = parse_cooldowns(answer["cooldowns"])
        return View(names, records, examples, cooldowns)

    def _put_cooldowns(self, database: Connection[DictRow], model: str, cooldowns: Sequence[Cooling]) -> None:
        """Set the cooldowns of a model, or delete them; those that PostgreSQL refuses are dropped."""
        try:
            if cooldowns:
                values = (self._space, model, Jsonb(list(cooldowns)), last_end(cooldowns))
                database.execute(PUT_COOLDOWNS, values)
            else:
                database.execute(DELETE_COOLDOWNS, (self._space, model))
        except REFUSED as error:
            name = model[:MOST_SHOWN]
            logger.warning("PostgreSQL refuses cooldowns of %s, which are dropped (%s)", name, type(error).__name__)

    def _tidy(self, database: Connection[DictRow], day: datetime) -> None:
        with suppress(InsufficientPrivilege, ReadOnlySqlTransaction):  # whoever may only read does not tidy up
            database.execute(FORGET_WRITERS)
            database.execute(FORGET_USES, (MAX_MODELS,))
            database.execute(FORGET_COOLDOWNS, (self._space, write_time(day - FORGET)))
            database.execute(FORGET_EXAMPLES, (MAX_LEARNED,))

    def _use(self, work: Callable[[Connection[DictRow]], T]) -> T:
        return self.link.call(lambda: self._database.use(work))
