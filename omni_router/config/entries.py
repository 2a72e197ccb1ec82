"""The entries of a policy, each read by itself: a route, its models, its examples, and what is wrong with them."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omni_router.config.own_providers import OwnProvider
from omni_router.config.parameters import EVERY_ROUTE, NO_PARAMETERS, PARAMETERS, RouteParameters, read_parameters
from omni_router.config.policy_text import NOTHING_KNOWN, format_entry, key_of
from omni_router.config.provider_entries import read_providers
from omni_router.config.records import ModelRecord, read_record
from omni_router.tasks import OTHER, TASKS, default_task

PROVIDERS = "providers"  # a key of the entry `*` alone
KEYS = (
    "name",
    "task",
    "description",
    "examples",
    "examples_file",
    "fallback",
    "models",
    "learned",
    PROVIDERS,
    *PARAMETERS,
)
TYPO = 0.8  # how similar a key is to one of `KEYS` that was probably meant; `max_prize` is by 0.89


@dataclass(frozen=True)
class Entry:
    """One entry of a policy, and what it means by itself."""

    raw: dict[str, Any]  # as it stands in the file; it and its arrays are never changed, but replaced by copies
    text: str  # as it is written
    element_texts: dict[int, str]  # those of the elements of its arrays, by their identity
    key: str  # the case-folded name
    is_usable: bool  # whether it is a route, `other`, or the parameters of every route
    parameters: RouteParameters
    examples: tuple[str, ...]  # without those of a file
    models: tuple[ModelRecord | None, ...]  # None for malformed ones
    learned: tuple[str, ...]
    providers: tuple[OwnProvider, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name without blanks around it."""
        return str(self.raw["name"]).strip()

    @property
    def is_fallback(self) -> bool:
        """Return whether it takes the requests that fit no route."""
        return self.raw.get("fallback") is True


def parse_entry(raw: dict[str, Any], before: Entry | None) -> Entry:
    """Parse an entry.

    Args:
        raw: the entry as JSON.
        before: the last version of the entry, of which is taken what did not change.
    """
    if before and _is_same(raw, before.raw):
        return before
    known = before.element_texts if before else NOTHING_KNOWN
    text, element_texts = format_entry(raw, known)
    if before and text == before.text:
        return before
    warnings: list[str] = []
    usable = _check(raw, warnings)
    examples: tuple[str, ...] = ()
    parameters = NO_PARAMETERS
    if usable:
        examples = _texts(raw, "examples", warnings)
        parameters = read_parameters(raw, warnings)
        _warn_of_typos(raw, warnings)
    models = _models(raw, warnings, before)
    learned = _texts(raw, "learned", warnings)
    providers = _providers(raw, warnings)
    key = key_of(raw) or ""
    return Entry(
        raw, text, element_texts, key, usable, parameters, examples, models, learned, providers, tuple(warnings)
    )


def editable(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Copy entries and their arrays, so that both can be changed; what the arrays hold is shared, to be replaced."""
    copies: list[dict[str, Any]] = []
    for entry in entries:
        copied = {**entry}
        for key, value in entry.items():
            if isinstance(value, list):
                copied[key] = [*value]
        copies.append(copied)
    return copies


def task_of(raw: dict[str, Any]) -> Any:
    """Return the task of an entry, as it is given or by its name."""
    task = raw.get("task")
    if task is None:
        return default_task(raw["name"].strip().casefold())
    return task


def _is_same(raw: dict[str, Any], before: dict[str, Any]) -> bool:
    """Return whether an entry holds the very objects that it held before: equality would take 1 for true."""
    if list(raw) != list(before):
        return False
    for key, value in raw.items():
        other = before[key]
        if isinstance(value, list) and isinstance(other, list):
            if len(value) != len(other) or not all(map(operator.is_, value, other)):
                return False
        elif value is not other:
            return False
    return True


def _check(raw: dict[str, Any], warnings: list[str]) -> bool:
    """Return whether an entry can be used; `other` is kept in the file and never offered, whatever it holds."""
    name = raw["name"].strip()
    if name.casefold() in (OTHER, EVERY_ROUTE):
        return True
    description, task = raw.get("description"), task_of(raw)
    if not isinstance(task, str) or task not in TASKS:
        warnings.append(f"route {name!r} is skipped: task {task!r} is not one of {', '.join(TASKS)}")
        return False
    if not isinstance(description, str) or not description.strip():
        warnings.append(f'route {name!r} is skipped: it has no "description"')
        return False
    fallback = raw.get("fallback", False)
    if not isinstance(fallback, bool):
        warnings.append(f'"fallback" of route {name!r} is ignored: {fallback!r} is neither true nor false')
    return True


def _warn_of_typos(raw: dict[str, Any], warnings: list[str]) -> None:
    """Report keys that have no effect and are very similar to one that has; `description_de` is a key of its own."""
    for key in raw:
        if key not in KEYS and not any(key.startswith(f"{known}_") for known in KEYS):
            from difflib import get_close_matches  # rarely needed

            meant = get_close_matches(key.casefold(), KEYS, n=1, cutoff=TYPO)
            if meant:
                warnings.append(
                    f'"{key}" of route {raw["name"].strip()!r} has no effect; "{meant[0]}" was probably meant'
                )


def _texts(raw: dict[str, Any], key: str, warnings: list[str]) -> tuple[str, ...]:
    name, values = raw["name"].strip(), raw.get(key, [])
    if not isinstance(values, list):
        warnings.append(f'"{key}" of route {name!r} is ignored: not an array')
        return ()
    texts = tuple(text for text in values if isinstance(text, str) and text.strip())
    if len(texts) < len(values):
        warnings.append(f"{len(values) - len(texts)} of the {key} of route {name!r} are ignored: not text")
    return texts


def _providers(raw: dict[str, Any], warnings: list[str]) -> tuple[OwnProvider, ...]:
    """Read the providers that the entry of all routes declares."""
    declared = raw.get(PROVIDERS)
    if key_of(raw) == EVERY_ROUTE:
        return read_providers(declared, warnings)
    if declared is not None:
        name = raw["name"].strip()
        warnings.append(f'"{PROVIDERS}" of route {name!r} is ignored: it belongs into the entry {EVERY_ROUTE!r}')
    return ()


def _models(raw: dict[str, Any], warnings: list[str], before: Entry | None) -> tuple[ModelRecord | None, ...]:
    """Read the models; the records of objects that were there before are taken from there."""
    models = raw.get("models", [])
    if not isinstance(models, list):
        warnings.append(f'"models" of route {raw["name"]!r} is ignored: not an array')
        return ()
    known: dict[int, ModelRecord | None] = {}
    if before and before.models:
        known = {id(model): record for model, record in zip(before.raw["models"], before.models, strict=True)}
    records: list[ModelRecord | None] = []
    for model in models:
        record = known[id(model)] if id(model) in known else read_record(model)
        if record is None:
            warnings.append(f"a model of route {raw['name']!r} is skipped: {model!r} is not a model id (org/name)")
        records.append(record)
    return tuple(records)
