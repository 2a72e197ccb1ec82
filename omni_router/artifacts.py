"""The files a run leaves behind: where they are written, and how a surface reads them back."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from omni_router.errors import ConfigurationError
from omni_router.images import data_url, encode_base64
from omni_router.tasks import Media

if TYPE_CHECKING:  # LangChain comes with it
    from omni_router.state import Artifact

NAME_CHARS = 50  # of a route's name; most file systems allow 255 bytes, and a character may take four


class ArtifactFolder:
    """Saves files in one folder, created when first needed; never overwrites a file."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self.folder, self._now = folder, now

    def save(
        self, data: bytes, route: str, media: Media, *, width: int | None = None, height: int | None = None
    ) -> "Artifact":
        """Write `data` as `<UTC yyyymmdd_hhmmss>_<route>[_n]<suffix>`.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        self.prepare()
        try:
            with self._create(f"{self._now():%Y%m%d_%H%M%S}_{_file_name(route)}", media.suffix) as file:
                file.write(data)
        except OSError as error:
            raise self._unusable(error) from error
        return {"path": file.name, "mime_type": media.mime_type, "width": width, "height": height}

    def prepare(self) -> None:
        """Check that the folder can be written, before paying for a file.

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
            f"files cannot be saved in {self.folder}: {why}; choose another folder with --output-dir or OMNI_OUTPUT_DIR"
        )

    def _create(self, stem: str, suffix: str) -> BinaryIO:
        for n in count(1):
            number = "" if n == 1 else f"_{n}"
            name = f"{stem}{number}{suffix}"
            try:
                return (self.folder / name).open("xb")
            except FileExistsError:
                continue
        raise AssertionError  # count() does not end


def kind_of(artifact: Mapping[str, Any]) -> str:
    """Return the first half of a mime type: image, audio, video, text, application."""
    return str(artifact["mime_type"]).partition("/")[0]


def describe(artifact: Mapping[str, Any]) -> str:
    """Return a few words on a file for a person: the size of an image, the type of another file."""
    if artifact["width"] is None or artifact["height"] is None:
        return str(artifact["mime_type"])
    return f"{artifact['width']} x {artifact['height']}"


def artifact_base64(artifact: Mapping[str, Any]) -> str:
    """Read a file of a run as base64."""
    return encode_base64(Path(artifact["path"]).read_bytes())


def artifact_data_url(artifact: Mapping[str, Any]) -> str:
    """Read a file of a run as a data URL."""
    return data_url(Path(artifact["path"]).read_bytes(), artifact["mime_type"])


def _file_name(route: str) -> str:
    """Return a route name as part of a file name: it cannot leave the folder, and is not too long."""
    return re.sub(r"[^\w-]", "_", route[:NAME_CHARS])
