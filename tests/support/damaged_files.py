"""Ways in which a file on disk is damaged."""

from pathlib import Path


def fill_with_garbage(path: Path) -> None:
    path.write_bytes(b"\0garbage" * 1000)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 5000)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
