"""Record and recall with a thousand, a hundred thousand and a million decisions behind them, in the file and the store.

python -m benchmarks.history
"""

import json
import logging
import os
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.report import in_turns, ms, quantile, ratio, spread, table, write_section
from omni_router.config.policy import DEFAULT_POLICY
from omni_router.config.route_file import RouteFile
from omni_router.files import write_whole
from omni_router.history import History, Use
from omni_router.history.cooldown import write_time
from omni_router.history.file import FileHistory
from omni_router.history.fold import fold
from omni_router.history.store import StoreHistory
from tests.postgres import postgresql

BEHIND = (1_000, 100_000, 1_000_000)
MODELS = 12  # a route: more than most have
ROUNDS = 400
RECALL_LIMIT = 0.002  # seconds, at the 99th percentile
NOW = datetime.now(timezone.utc)


def past(behind: int) -> list[dict[str, Any]]:
    """Make a policy whose routes have `behind` decisions in their history, spread over the last two months."""
    chance = random.Random(1)
    entries: list[dict[str, Any]] = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))
    for number in range(behind):
        entry = entries[number % len(entries)]
        at = write_time(NOW - timedelta(days=60) * (1 - number / behind))
        failed = chance.random() < 0.1  # noqa: PLR2004
        use = Use(
            route=entry["name"],
            model=f"acme/model-{chance.randrange(MODELS)}",
            reason="the best of its history",
            at=at,
            outcome="malformed_answer" if failed else None,
            seconds=chance.uniform(0.5, 5),
        )
        fold(entry.setdefault("models", []), use)
    return entries


def one_use(history: History) -> Callable[[], object]:
    """Record one more use each time."""
    chance = random.Random(2)

    def record() -> object:
        model = f"acme/model-{chance.randrange(MODELS)}"
        place = history.record(Use("code_generation", model, "a benchmark", write_time(NOW), seconds=1.2))
        assert place, "it was not stored"
        return place

    return record


def one_recall(history: History) -> Callable[[], object]:
    """Read what the choice among a route's models needs."""
    return lambda: (history.models("code_generation"), history.cooling())


def measure_file(folder: Path) -> list[list[str]]:
    """Measure the file, beside as large a write and a bare fsync of the same disk."""
    rows = []
    for behind in BEHIND:
        path = folder / f"{behind}" / "route_config.json"
        path.parent.mkdir()
        text = json.dumps(past(behind), indent=2)
        path.write_text(text, encoding="utf-8")
        history = FileHistory(RouteFile(path))
        bare = folder / "bare.json"
        recall, record = one_recall(history), one_use(history)
        times = in_turns(
            {
                "recall": recall,
                "record": record,
                "write": lambda text=text: write_whole(bare, text),  # type: ignore[misc]
                "fsync": lambda: _fsync(bare),
            },
            ROUNDS,
        )
        rows.append(_row(f"file, {path.stat().st_size // 1024} KB", behind, times, "write"))
        rows[-1].append(f"bare fsync {spread(times['fsync'])}")
    return rows


def measure_store(address: str) -> list[list[str]]:
    """Measure the store in PostgreSQL beside a bare `put` of as large a value."""
    from langgraph.store.postgres import PostgresStore

    rows = []
    for behind in BEHIND:
        with PostgresStore.from_conn_string(address) as store:
            store.setup()
            StoreHistory(lambda store=store: store).lift(past(behind))  # type: ignore[misc]
            history = StoreHistory(lambda store=store: store)  # type: ignore[misc]
            value = {"models": past(1_000)[0]["models"]}
            times = in_turns(
                {
                    "recall": one_recall(history),
                    "record": one_use(history),
                    "put": lambda store=store: store.put(("bare",), "key", value),  # type: ignore[misc]
                },
                ROUNDS,
            )
            rows.append([*_row("PostgreSQL store", behind, times, "put"), ""])
            for namespace in store.list_namespaces():
                for item in store.search(namespace, limit=10_000):
                    store.delete(item.namespace, item.key)
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
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_file(Path(folder))
    with postgresql() as address:
        rows += measure_store(address)
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
        "Recall gives a route's models and what is cooling down; record stores one more outcome. `write` replaces a file "
        "of the same size whole, with fsync of file and folder, as a record does; `put` is a bare "
        "`PostgresStore.put` of one route's models.\n\n" + table([*head, "the disk"], rows)
    )
    write_section("History", text)


if __name__ == "__main__":
    main()
