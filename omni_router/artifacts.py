"""The files a run leaves behind."""

import os
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from typing_extensions import TypedDict

from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from PIL.Image import Image


NAME_CHARS = 50  # of a route; most file systems stop at 255 bytes, and a character may take four

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")  # a JPEG of a provider may be CMYK


class Artifact(TypedDict):
    """A picture on disk."""

    path: str
    mime_type: str
    width: int  # pixels
    height: int


class ArtifactFolder:
    """Saves pictures under one folder, made when first needed; never overwrites a file."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self.folder, self._now = folder, now

    def save(self, image: "Image", route: str) -> Artifact:
        """Write `image` as `<UTC yyyymmdd_hhmmss>_<route>[_n].png`.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        self.prepare()
        try:
            return self._save(image, route)
        except OSError as error:
            raise self._unusable(error) from error

    def prepare(self) -> None:
        """Make sure that the folder can be written, before a picture is paid for.

        Raises:
            ConfigurationError: it cannot.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        if not os.access(self.folder, os.W_OK):
            raise self._unusable("no permission to write")

    def _unusable(self, why: object) -> ConfigurationError:
        return ConfigurationError(
            f"pictures cannot be saved in {self.folder}: {why}; name another with --output-dir or OMNI_OUTPUT_DIR"
        )

    def _save(self, image: "Image", route: str) -> Artifact:
        with self._create(f"{self._now():%Y%m%d_%H%M%S}_{_file_name(route)}") as file:
            (image if image.mode in PNG_MODES else image.convert("RGB")).save(file, format="PNG")
        return Artifact(path=file.name, mime_type="image/png", width=image.width, height=image.height)

    def _create(self, stem: str) -> BinaryIO:
        for n in count(1):
            try:
                return (self.folder / (f"{stem}.png" if n == 1 else f"{stem}_{n}.png")).open("xb")
            except FileExistsError:  # noqa: PERF203 (another run saved in the same second)
                continue
        raise AssertionError  # count() does not end


def _file_name(route: str) -> str:
    """Keep a route name that someone typed from leaving the folder, and within what a file name may hold."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in route[:NAME_CHARS])
