"""Where the files of a checkpoint are."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_router.model_id import split_revision

# Asked before a download: the Hub's own client repeats a request for 47 s when there is no network.
HUB_TIMEOUT = 10
WEIGHTS_AND_SETTINGS = {".json", ".safetensors", ".bin", ".model", ".txt"}


@dataclass(frozen=True)
class Place:
    """Where a checkpoint lies: a folder, or a repository of the Hub at one commit."""

    source: str
    commit: str | None = None

    @classmethod
    def find(cls, source: str | Path) -> "Place":
        """Look for a folder, then in the local cache, then on the Hub; what is cached needs no request.

        Of the Hub it may be `org/name@revision`: a commit, a tag or a branch.

        Raises:
            Exception: neither is there; huggingface_hub has many types.
        """
        folder = Path(source).expanduser()
        if folder.is_dir():
            return cls(str(folder))
        from huggingface_hub import HfApi
        from transformers.utils.hub import resolve_revision

        name, revision = split_revision(str(source))
        found = getattr(resolve_revision(name, revision, local_files_only=True), "resolved", None)
        if found is None:
            commit = HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT).sha
            found = getattr(resolve_revision(name, revision), "resolved", None) or commit
        return cls(name, str(found))

    @property
    def name(self) -> str:
        """Another one when the checkpoint is another: the commit, or sizes and times of the folder's files."""
        if self.commit:
            return f"{self.source}@{self.commit}"
        root = Path(self.source).resolve()
        files = sorted(path for path in root.rglob("*") if path.suffix in WEIGHTS_AND_SETTINGS)
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(repr((str(root), stamps)).encode()).hexdigest()[:16]

    def file(self, name: str, folder: str = "") -> Path | None:
        """Give a file's path on this machine; None when there is none. That a file is not there is cached too."""
        from transformers.utils.hub import cached_file

        found = cached_file(
            self.source, name, subfolder=folder, revision=self.commit, _raise_exceptions_for_missing_entries=False
        )
        return Path(found) if found else None

    def settings(self, name: str, folder: str = "") -> Any:
        """Read a JSON file; {} when there is none."""
        path = self.file(name, folder)
        return json.loads(path.read_text(encoding="utf-8")) if path else {}

    def load(self, kind: Any, folder: str) -> Any:
        """Load what transformers loads, running no code of the checkpoint's own."""
        if self.commit is None:
            return kind.from_pretrained(str(Path(self.source, folder)), trust_remote_code=False)
        return kind.from_pretrained(self.source, subfolder=folder, revision=self.commit, trust_remote_code=False)
