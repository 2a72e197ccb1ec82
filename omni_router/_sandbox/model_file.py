"""A file of models for the sandbox: what `box.offer` declares in a test, for processes that a test starts.

The file holds an object of models; each has a `task`, and `offers` with the fields of `Offer`.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router._sandbox.offers import Offer
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from omni_router._sandbox.server import Sandbox

# The types of an offer's fields. Null leaves a key out of the list.
_KINDS: dict[str, tuple[type, ...]] = {
    "provider": (str,),
    "status": (str,),
    "context_length": (int,),
    "input_price": (int, float),
    "output_price": (int, float),
    "throughput": (int, float),
    "first_token_ms": (int, float),
    "is_free": (bool,),
    "tools": (bool,),
    "structured_output": (bool,),
    "raw": (dict,),
}
_NEEDED = ("provider", "status", "raw")  # may not be null


def add_models(box: "Sandbox", path: Path) -> None:
    """Add the models of a file to a sandbox; one of its own models is replaced.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else; the message names the place.
    """
    try:
        models = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"OMNI_SANDBOX_MODELS cannot be read: {path} ({error})") from error
    for name, entry in _object(models, str(path)).items():
        place = f"{path}, {name}"
        details = _object(entry, place)
        offers = details.get("offers")
        if not isinstance(offers, list):
            raise _wrong(f"{place}, offers", "a list", offers)
        declared = [_read_offer(each, f"{place}, offers[{number}]") for number, each in enumerate(offers)]
        try:
            box.offer(name, *declared, task=details.get("task"))
        except ValueError as error:
            raise ConfigurationError(f"OMNI_SANDBOX_MODELS: {place}: {error}") from error


def _read_offer(document: Any, place: str) -> Offer:
    offer = _object(document, place)
    if unknown := offer.keys() - _KINDS.keys():
        raise _wrong(place, f"an object of {', '.join(each.name for each in fields(Offer))}", sorted(unknown))
    for name, kinds in _KINDS.items():
        value = offer.get(name)
        if name not in offer and name != "provider":
            continue
        if value is None and name not in _NEEDED:
            continue
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _wrong(f"{place}, {name}", " or ".join(kind.__name__ for kind in kinds), value)
    return Offer(**offer)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(place, "an object", value)
    return value


def _wrong(place: str, allowed: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"OMNI_SANDBOX_MODELS: {place} must be {allowed}, not {json.dumps(value)[:100]}")
