"""A record in the policy file beside bare atomic writes of as many bytes, in turns.

python -m benchmarks.records
"""

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.history import MODELS, ROUNDS, one_use, past
from benchmarks.report import in_turns, ratio, spread, table, write_section
from omni_router.config.route_file import RouteFile
from omni_router.history.file import FileHistory

BEHIND = (0, 1_000)  # decisions: the policy that a first record writes, and one whose routes have all their models
LINE_END = b"\n"


def measure(folder: Path) -> list[list[str]]:
    """Measure records in the file beside bare atomic writes of the same size, from the policy of a first record on."""
    rows = []
    for behind in BEHIND:
        path = folder / f"{behind}" / "route_config.json"
        path.parent.mkdir()
        path.write_text(json.dumps(past(behind), indent=2), encoding="utf-8")
        record = one_use(FileHistory(RouteFile(path)))
        for _ in range(MODELS * 20):  # until the last calls and decisions of each model are as many as are kept
            record()
        bare = path.with_name("bare.json")
        content = path.read_bytes()
        contestants: dict[str, Callable[[], object]] = {
            "record": record,
            "durable": partial(bare_write, bare, content, sync_folder=True),
            "bare": partial(bare_write, bare, content, sync_folder=False),
        }
        times = in_turns(contestants, ROUNDS)
        processor = in_turns({"record": record}, ROUNDS, clock=time.thread_time)
        size = f"{len(content) / 1024:.0f} KB, {content.count(LINE_END)} lines"
        rows.append([f"{behind:,}", size, *_columns(times), spread(processor["record"])])
    return rows


def _columns(times: dict[str, list[float]]) -> list[str]:
    """Return the columns of a row that compare a record with each of the two writes."""
    columns = [spread(times["record"])]
    for name in ("durable", "bare"):
        columns += [spread(times[name]), ratio(times["record"], times[name])]
    return columns


def bare_write(path: Path, content: bytes, *, sync_folder: bool) -> None:
    """Write a file atomically and with fsync, in as few calls as that takes."""
    draft = path.with_suffix(".tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(descriptor, content)
    os.fsync(descriptor)
    os.close(descriptor)
    draft.replace(path)
    if sync_folder:
        descriptor = os.open(path.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def main() -> None:
    """Measure, and write the section."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    head = [
        "decisions behind",
        "the file",
        "record",
        "durable write",
        "record to it",
        "without fsync of the folder",
        "record to it",
        "processor time of a record",
    ]
    text = (
        "A record reads the policy file, adds an outcome to a model, and replaces the file. Beside it in each round "
        "stands an atomic write of as many bytes: a draft, fsync, a rename, and an fsync of the folder, as a record "
        "does; and one without that of the folder.\n\n" + table(head, rows)
    )
    write_section("Records in the policy file", text)


if __name__ == "__main__":
    main()
