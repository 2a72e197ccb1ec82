"""Check this machine: the encoder of the embedded router, the caches, the database, the disk."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from omni_router.doctor.examination import Examination, Outcome
from omni_router.errors import OmniRouterError

CACHES = ("catalog.sqlite", "embeddings.sqlite", "heads.sqlite")
MB = 1_000_000
LEAST_FREE = 500 * MB  # some images, a history and the caches


def check_encoder(examination: Examination) -> Outcome:
    """Check that the embedded router's encoder loads and embeds a text."""
    from omni_router.routers.semantic.multilingual_router import is_installed
    from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

    environment = examination.environment
    source = environment.encoder
    if environment.router == "semantic" and environment.router_model:
        source = environment.router_model
    vectors = SentenceEncoder(source).encode(["How do tides work?"])
    languages = "English alone"
    if source or is_installed():
        languages = "English and other languages"
    return Outcome("ok", f"{source or 'all-MiniLM-L6-v2'} loads, {vectors.shape[1]} numbers a text, for {languages}")


def check_caches(examination: Examination) -> Outcome:
    """Check that the folder of the caches can be written, and that no file in it is damaged."""
    folder = examination.environment.cache_dir
    if not _is_writable(folder):
        advice = "Set OMNI_CACHE_DIR to a folder that can be written; until then each process asks the Hub anew."
        return Outcome("failed", f"{folder} cannot be written", advice)
    damaged = [name for name in CACHES if _is_damaged(folder / name)]
    if damaged:
        return Outcome("failed", f"damaged: {', '.join(damaged)}", f"Delete them in {folder}.")
    present = [folder / name for name in CACHES if (folder / name).exists()]
    size = sum(path.stat().st_size for path in present)
    return Outcome("ok", f"{len(present)} files with {size / MB:.1f} MB in {folder}")


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (answer,) = database.execute("PRAGMA quick_check").fetchone()
    except sqlite3.OperationalError:  # another process writes it
        return False
    except sqlite3.DatabaseError:
        return True
    return bool(answer != "ok")


def check_database(examination: Examination) -> Outcome:
    """Check that the database of the history answers; nothing of its address is shown."""
    from omni_router.services.history import POSTGRESQL, open_database

    if not examination.environment.history.startswith(POSTGRESQL):
        return Outcome("skipped", "OMNI_HISTORY names no PostgreSQL")
    try:
        open_database(examination.environment.history).use(lambda database: database.execute("SELECT"))
    except OmniRouterError:
        raise
    except Exception as error:  # noqa: BLE001 (psycopg's many types, whose texts name host and user)
        advice = "Check the address in OMNI_HISTORY, the network, and that this user may create tables."
        return Outcome("failed", f"PostgreSQL does not answer ({type(error).__name__})", advice)
    return Outcome("ok", "PostgreSQL answers")


def check_disk(examination: Examination) -> Outcome:
    """Check that what is written has a place: history, images, caches, decision log."""
    environment = examination.environment
    folders = {"policy and history": environment.route_config.parent, "images": environment.output_dir}
    folders["caches"] = environment.cache_dir
    if environment.decision_log:
        folders["decision log"] = environment.decision_log.parent
    closed = [f"{what} ({folder})" for what, folder in folders.items() if not _is_writable(folder)]
    if closed:
        return Outcome("failed", f"cannot be written: {', '.join(closed)}", "Change the permissions, or the folders.")
    free = min(shutil.disk_usage(_existing(folder)).free for folder in folders.values())
    if free < LEAST_FREE:
        return Outcome("failed", f"only {free / MB:,.0f} MB are free", "Make room, or move the folders.")
    return Outcome("ok", f"{free / MB:,.0f} MB free, all folders can be written")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists, in which it would be created."""
    folder = folder.expanduser().absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _is_writable(folder: Path) -> bool:
    existing = _existing(folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
