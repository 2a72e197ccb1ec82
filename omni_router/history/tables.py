"""The tables of a history in PostgreSQL, and the statement that adds to them."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection, DataError, IntegrityError
from psycopg.errors import CardinalityViolation, ProgramLimitExceeded
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from omni_router.config.records import COUNTS, MAX_DECISIONS, RECENT, ModelRecord, read_record, read_records
from omni_router.history.backlog import Batch, Sum
from omni_router.history.usage import route_key
from omni_router.simulation import is_simulated

logger = logging.getLogger("omni_router")

# What PostgreSQL says of a value that it will never take, as a number beyond bigint or a key that is too long.
REFUSED = (CardinalityViolation, DataError, IntegrityError, ProgramLimitExceeded)
MOST_SHOWN = 100  # characters of a name in the log

# Each changes what the ones before have made, and only adds: processes of an earlier version go on with the result.
# Columns are NULL where a record lacks the key. Times are those of a record, whose order is that of their bytes.
MIGRATIONS = (
    b"""
    CREATE TABLE omni_router_schema (version integer PRIMARY KEY);
    CREATE TABLE omni_router_uses (
        space text, route text, model text,  -- a space is `real` or `sandbox`; a route in lower case
        name text, provider text,  -- the name of the route as it was written
        first_seen text COLLATE "C", last_used text COLLATE "C", last_reason text,
        uses bigint, successes bigint, good bigint, bad bigint, doubts bigint, by_callers bigint,
        input_tokens bigint, output_tokens bigint, unknown_costs bigint, cost numeric,
        failures jsonb, last_failure jsonb,
        recent text[] COLLATE "C", decisions text[] COLLATE "C", doubted text[] COLLATE "C",
        PRIMARY KEY (space, route, model)
    );
    CREATE TABLE omni_router_writers (
        writer text PRIMARY KEY, written bigint, at timestamptz DEFAULT now()  -- the last batch of each process
    );
    CREATE TABLE omni_router_cooldowns (
        space text, model text, cooldowns jsonb, until text COLLATE "C", PRIMARY KEY (space, model)
    );
    CREATE TABLE omni_router_examples (
        space text, digest text, text text, name text, at text COLLATE "C", PRIMARY KEY (space, digest)
    );
    CREATE TABLE omni_router_labels (
        id bigserial PRIMARY KEY, label text UNIQUE,  -- the name of what was sent, if it is sent again
        space text, encoder text, route text, vector bytea, at float8, text text
    );
    CREATE INDEX omni_router_labels_by_encoder ON omni_router_labels (space, encoder, id);
    CREATE TABLE omni_router_spending (space text, day text, spent numeric, PRIMARY KEY (space, day));
    CREATE TABLE omni_router_calls (space text, day text, call text, PRIMARY KEY (space, day, call));
    """,
)


def _newest(column: str, most: int, distinct: str = "") -> str:
    """Return SQL that sets a list of lines, which begin with their times, to the newest ones of both rows."""
    lines = f"unnest(known.{column} || EXCLUDED.{column}) AS line"
    newest = f"(SELECT {distinct} line FROM {lines} ORDER BY line DESC LIMIT {most}) AS newest"  # noqa: S608
    return f"{column} = ARRAY(SELECT line FROM {newest} ORDER BY line)"  # noqa: S608


# A sum of what may be NULL: `uses = uses + 1`, where either may lack the key.
_SUMS = ", ".join(f"{key} = COALESCE(known.{key} + EXCLUDED.{key}, known.{key}, EXCLUDED.{key})" for key in COUNTS)

# A batch that was sent again, since its first answer was lost, finds its number in omni_router_writers, and adds
# nothing. Failures add no row: what is added to a row that is there may differ from what makes a new one. Rows are
# locked in one order, so that no two batches wait for each other.
ADD = f"""
WITH batch AS (
    INSERT INTO omni_router_writers AS known (writer, written) VALUES (%(writer)s, %(number)s)
    ON CONFLICT (writer) DO UPDATE SET written = EXCLUDED.written, at = now() WHERE known.written < EXCLUDED.written
    RETURNING written
), delta AS (
    SELECT delta.* FROM jsonb_populate_recordset(NULL::omni_router_uses, %(if_known)s) AS delta
    JOIN omni_router_uses USING (space, route, model)
    UNION ALL
    SELECT delta.* FROM jsonb_populate_recordset(NULL::omni_router_uses, %(if_new)s) AS delta
    LEFT JOIN omni_router_uses AS known USING (space, route, model) WHERE known.model IS NULL
), added AS (
    INSERT INTO omni_router_uses AS known SELECT delta.* FROM delta, batch ORDER BY route, model
    ON CONFLICT (space, route, model) DO UPDATE SET
        {_SUMS},
        cost = COALESCE(known.cost + EXCLUDED.cost, known.cost, EXCLUDED.cost),
        provider = COALESCE(EXCLUDED.provider, known.provider),
        first_seen = LEAST(known.first_seen, EXCLUDED.first_seen),
        last_used = GREATEST(known.last_used, EXCLUDED.last_used),
        last_reason = CASE
            WHEN EXCLUDED.last_used < known.last_used THEN known.last_reason
            ELSE COALESCE(EXCLUDED.last_reason, known.last_reason)
        END,
        failures = (
            SELECT jsonb_object_agg(kind, number) FROM (
                SELECT kind, sum(number::bigint) AS number FROM (
                    SELECT * FROM jsonb_each_text(known.failures)
                    UNION ALL SELECT * FROM jsonb_each_text(EXCLUDED.failures)
                ) AS both_rows (kind, number) GROUP BY kind
            ) AS total
        ),
        last_failure = CASE
            WHEN EXCLUDED.last_failure IS NULL THEN CASE
                WHEN EXCLUDED.successes > 0 AND EXCLUDED.last_used >= known.last_failure->>'at' THEN NULL
                ELSE known.last_failure
            END
            WHEN EXCLUDED.last_failure->>'at' < known.last_failure->>'at' THEN known.last_failure
            WHEN EXISTS (
                SELECT FROM unnest(known.recent) AS line WHERE split_part(line, ' ', 2) = 'answered'
                AND split_part(line, ' ', 1) > EXCLUDED.last_failure->>'at'
            ) THEN known.last_failure
            ELSE EXCLUDED.last_failure
        END,
        {_newest("recent", RECENT)},
        {_newest("decisions", MAX_DECISIONS, "DISTINCT")},
        {_newest("doubted", MAX_DECISIONS, "DISTINCT")}
    RETURNING known.*
)
SELECT route, model, to_jsonb(added) AS row FROM delta LEFT JOIN added USING (space, route, model)
""".encode()  # noqa: S608 (nothing in it comes from outside); psycopg takes a string only if it is a literal


def current_space() -> str:
    """Return the space of what is recorded now: simulated models do not belong in a real history."""
    return "sandbox" if is_simulated() else "real"


def add_batch(database: Connection[DictRow], space: str, batch: Batch) -> list[DictRow]:
    """Add the sums of a batch, unless they were added before; those that PostgreSQL refuses are dropped.

    Return the route and the model of each that there was a row for, or that made one, with the row as it is now; there
    is no row if the sums were added before.
    """
    try:
        return _add(database, space, batch)
    except REFUSED:  # nothing was added
        return add_accepted(database, space, batch)


def add_accepted(database: Connection[DictRow], space: str, batch: Batch) -> list[DictRow]:
    """Do the same, also within a transaction, but try first which sums PostgreSQL takes."""
    return _add(database, space, replace(batch, sums=_accepted(database, space, batch)))


def _accepted(database: Connection[DictRow], space: str, batch: Batch) -> list[Sum]:
    """Return the sums that PostgreSQL takes, and log the others, which are found by halving; nothing is added."""
    try:
        with database.transaction(force_rollback=True):
            _add(database, space, batch)
    except REFUSED as error:
        if len(batch.sums) == 1:
            name = batch.sums[0].model[:MOST_SHOWN]
            logger.warning("PostgreSQL refuses uses of %s, which are dropped (%s)", name, type(error).__name__)
            return []
    else:
        return list(batch.sums)
    middle = len(batch.sums) // 2
    halves = replace(batch, sums=batch.sums[:middle]), replace(batch, sums=batch.sums[middle:])
    return [each for half in halves for each in _accepted(database, space, half)]


def _add(database: Connection[DictRow], space: str, batch: Batch) -> list[DictRow]:
    if_known = _deltas(space, ((each, each.if_known) for each in batch.sums))
    if_new = _deltas(space, ((each, each.if_new) for each in batch.sums))
    values = {"writer": batch.writer, "number": batch.number, "if_known": Jsonb(if_known), "if_new": Jsonb(if_new)}
    return database.execute(ADD, values).fetchall()


def record_of(row: DictRow) -> ModelRecord | None:
    """Return the record in a row of `omni_router_uses` that was read as JSON."""
    entry = {key: value for key, value in row.items() if value is not None}
    entry["id"] = row["model"]
    if row["provider"]:
        entry["id"] = f"{row['model']}:{row['provider']}"
    return read_record(entry)


def _deltas(space: str, entries: Iterable[tuple[Sum, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Return the rows that are added, one for each sum."""
    rows: list[dict[str, Any]] = []
    for each, records in entries:
        key = {"space": space, "route": route_key(each.route), "model": each.model, "name": each.route.strip()}
        rows += [{**record, **key} for record in read_records(records)]
    return rows
