"""What an address lists under /v1/models, and the ids that its models have here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from typing_extensions import TypedDict

from omni_router.config.own_providers import ModelTerms, OwnModel
from omni_router.config.provider_entries import MAX_NAME
from omni_router.model_id import is_model_id

MAX_MODELS = 200  # of one address: more are the list of a service, of which `models` in the policy names some
_LONGEST_PART = 96  # characters of a part of an id
_HASH = 6  # characters that tell two names apart
_ABSURD = 10**9  # more tokens than any context has

# Where servers write how much a model holds: vLLM, gateways and Ollama's relatives, LM Studio.
_CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
# llama.cpp writes it into `meta`: what this server was started with, and else what the model was trained on.
_META_KEYS = ("n_ctx", "n_ctx_train")


class ListedModel(TypedDict):
    """A row of a list, as it is cached. A change of its keys needs another number in `storage.sqlite.TABLE`."""

    name: str
    context_length: int | None


def read_list(body: Any) -> list[ListedModel]:
    """Read an answer of /v1/models, each model once; a row that cannot be read costs that row.

    Raises:
        ValueError: it is not such a list.
    """
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ValueError("the list of models does not have the expected shape")  # noqa: TRY004 (of no type of ours)
    models: dict[str, ListedModel] = {}
    for row in rows:
        name = row.get("id") if isinstance(row, dict) else None
        if isinstance(name, str) and name.strip() and len(name) <= MAX_NAME and len(models) < MAX_MODELS:
            models.setdefault(name, ListedModel(name=name, context_length=_context(row)))
    return list(models.values())


def as_own_model(row: ListedModel) -> OwnModel:
    """Return a listed model."""
    return OwnModel(row["name"], ModelTerms(context_length=row["context_length"]))


def ids_of_models(provider: str, models: Iterable[OwnModel]) -> Iterator[tuple[str, OwnModel]]:
    """Yield the models of a provider, each with its id: `provider/name`, in letters that ids may have.

    What they may not have becomes a hyphen: `llama3.2:3b` of `local` is `local/llama3.2-3b`. Where two names would
    have the same id, a part of a hash is added to what was changed, so that ids do not depend on the order of a list.
    """
    unique = {model.name: model for model in models}
    parts = {name: _as_part(name) for name in unique}
    counts = Counter(parts.values())
    for name, model in unique.items():
        part = parts[name]
        if counts[part] > 1 and part != name:
            part = f"{part[: _LONGEST_PART - _HASH - 1]}-{sha256(name.encode()).hexdigest()[:_HASH]}"
        if is_model_id(f"{provider}/{part}"):
            yield f"{provider}/{part}", model


def _as_part(name: str) -> str:
    """Return a name as the second part of an id."""
    letters = [letter if letter.isascii() and (letter.isalnum() or letter in "_.") else "-" for letter in name]
    words = "".join(letters)
    for mark in "-.":
        words = mark.join(filter(None, words.split(mark)))  # no two of them in a row
    words = words.replace("-.", "-").replace(".-", "-")[:_LONGEST_PART].strip("-.")
    if words.endswith(".git"):
        words = words.removesuffix(".git") + "-git"
    return words


def _context(row: Mapping[str, Any]) -> int | None:
    """Return how many tokens a listed model takes."""
    meta = row.get("meta")
    values = [*map(row.get, _CONTEXT_KEYS)]
    if isinstance(meta, Mapping):
        values += map(meta.get, _META_KEYS)
    for value in values:
        if type(value) is int and 0 < value < _ABSURD:
            return value
    return None
