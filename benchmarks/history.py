"""Record and recall with 1,000, 100,000 and 1,000,000 decisions behind them, in the file and in PostgreSQL.

python -m benchmarks.history
"""

import json
import logging
import os
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from tqdm import tqdm

from benchmarks.report import in_turns, ms, quantile, ratio, spread, table, write_section
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.history import History, UsageRecord
from omni_router.history.cooldowns import write_time
from omni_router.history.file import FileHistory
from omni_router.history.postgresql import PostgresHistory
from omni_router.history.usage import apply_usage
from omni_router.storage.files import write_whole
from tests.support.postgres import postgresql

Pasts = dict[int, list[dict[str, Any]]]

BEHIND = (1_000, 100_000, 1_000_000)
MODELS = 12  # a route: more than most have
ROUNDS = 400
RECALL_LIMIT = 0.002  # seconds, at the 99th percentile
NOW = datetime.now(timezone.utc)


def past(behind: int) -> list[dict[str, Any]]:
    """Make a policy whose routes have `behind` decisions in their history, spread over the last two months."""
    chance = random.Random(1)
    entries = default_entries()
    for number in range(behind):
        entry = entries[number % len(entries)]
        at = write_time(NOW - timedelta(days=60) * (1 - number / behind))
        failed = chance.random() < 0.1  # noqa: PLR2004
        use = UsageRecord(
            route=entry["name"],
            model=f"acme/model-{chance.randrange(MODELS)}",
            reason="the best of its history",
            at=at,
            outcome="malformed_answer" if failed else None,
            seconds=chance.uniform(0.5, 5),
            decision=f"{number:032x}",
        )
        apply_usage(entry.setdefault("models", []), use)
    return entries


def one_use(history: History) -> Callable[[], object]:
    """Record one more use each time."""
    chance = random.Random(2)

    def record() -> None:
        use = UsageRecord(
            route="code_generation",
            model=f"acme/model-{chance.randrange(MODELS)}",
            reason="a benchmark",
            at=write_time(NOW),
            seconds=1.2,
            decision=f"{chance.getrandbits(128):032x}",
        )
        if not history.record(use):
            raise RuntimeError("it was not stored")

    return record


def one_recall(history: History) -> Callable[[], object]:
    """Read what the choice among a route's models needs."""
    return lambda: (history.models("code_generation"), history.cooling())


def measure_file(folder: Path, pasts: Pasts) -> list[list[str]]:
    """Measure the file, beside as large a write and a bare fsync of the same disk."""
    rows = []
    bare = folder / "bare.json"
    for behind, entries in pasts.items():
        path = folder / f"{behind}" / "route_config.json"
        path.parent.mkdir()
        path.write_text(json.dumps(entries), encoding="utf-8")
        history = FileHistory(RouteFile(path))
        one_use(history)()
        text = path.read_text(encoding="utf-8")  # in the layout of a record
        times = in_turns(
            {
                "recall": one_recall(history),
                "record": one_use(history),
                "write": partial(write_whole, bare, text),
                "fsync": partial(_fsync, bare),
            },
            ROUNDS,
        )
        rows.append(_row(f"file, {path.stat().st_size // 1024} KB", behind, times, "write"))
        rows[-1].append(f"bare fsync {spread(times['fsync'])}")
    return rows


def default_entries() -> list[dict[str, Any]]:
    """Return the entries of the default policy."""
    entries: list[dict[str, Any]] = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))
    return entries


def measure_postgresql(address: str, pasts: Pasts) -> list[list[str]]:
    """Measure PostgreSQL beside a bare statement that adds one to a row."""
    rows = []
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (key text PRIMARY KEY, uses bigint)")
        connection.execute("INSERT INTO bare VALUES ('key', 0)")
        for behind, entries in pasts.items():
            connection.execute("DROP TABLE IF EXISTS omni_router_schema, omni_router_uses, omni_router_writers")
            connection.execute("DROP TABLE IF EXISTS omni_router_cooldowns, omni_router_examples, omni_router_labels")
            connection.execute("DROP TABLE IF EXISTS omni_router_spending, omni_router_calls")
            PostgresHistory(address).import_(entries)
            history = PostgresHistory(address)
            times = in_turns(
                {
                    "recall": one_recall(history),
                    "record": one_use(history),
                    "add": lambda: connection.execute("UPDATE bare SET uses = uses + 1 WHERE key = 'key'"),
                },
                ROUNDS,
            )
            rows.append([*_row("PostgreSQL", behind, times, "add"), ""])
    return rows


def _row(name: str, behind: int, times: dict[str, list[float]], beside: str) -> list[str]:
    recall, record = times["recall"], times["record"]
    met = "yes" if quantile(recall, 0.99) <= RECALL_LIMIT else "no"
    return [
        name,
        f"{behind:,}",
        f"{ms(quantile(recall, 0.5))}, {ms(quantile(recall, 0.99))}",
        met,
        f"{ms(quantile(record, 0.5))}, {ms(quantile(record, 0.99))}",
        f"{beside}: {spread(times[beside])}",
        ratio(record, times[beside]),
    ]


def _fsync(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    """Measure both, and write the section."""
    logging.disable(logging.WARNING)
    pasts = {behind: past(behind) for behind in tqdm(BEHIND, desc="making a past")}
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_file(Path(folder), pasts)
    with postgresql() as address:
        rows += measure_postgresql(address, pasts)
    head = [
        "history",
        "decisions behind",
        "recall p50, p99",
        "p99 at most 2 ms",
        "record p50, p99",
        "beside",
        "record to it",
    ]
    text = (
        "Recall reads a route's models and the cooldowns; record stores one more outcome. `write` atomically replaces "
        "a file of the same size, with fsync of file and folder, as a record does; `add` is a bare statement that adds "
        "one to a row of a table of PostgreSQL.\n\n" + table([*head, "the disk"], rows)
    )
    write_section("History", text)


if __name__ == "__main__":
    main()
