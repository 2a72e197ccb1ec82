"""Read `providers`, an array in the entry `*` of a policy.

A provider that cannot be used keeps its name and serves no model: models of that name must not be looked for on the
Hub, where `only` was written to keep requests away from it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from omni_router.config.own_providers import ModelTerms, OwnModel, OwnProvider, is_local, is_provider_name
from omni_router.config.parameters import MAX_NUMBER

MAX_NAME = 300  # characters of a model's name at its provider
NAME_ALLOWED = "small letters, digits and single hyphens, and not auto, fastest, cheapest, preferred, sandbox or omni"
ADDRESS_ALLOWED = "an http or https address such as http://127.0.0.1:11434/v1, without user, query and fragment"
VARIABLE_ALLOWED = "the name of an environment variable, not the key itself"


def read_providers(raw: object, warnings: list[str]) -> tuple[OwnProvider, ...]:
    """Read the array `providers`; what is wrong is reported in `warnings`."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        warnings.append('"providers" is ignored: not an array')
        return ()
    providers: dict[str, OwnProvider] = {}
    for entry in raw:
        provider = _read_provider(entry, warnings)
        if provider is None:
            continue
        if provider.name in providers:
            warnings.append(f"a second provider {provider.name!r} is skipped: the name is already used")
            continue
        providers[provider.name] = provider
    return tuple(providers.values())


def _read_provider(entry: object, warnings: list[str]) -> OwnProvider | None:
    """Read a provider; one with a name and a fault has no address, and one without a usable name is None."""
    if not isinstance(entry, Mapping):
        # Not shown, as below: it may be an address, with a password in it.
        warnings.append('a provider is skipped: it is not an object such as {"name": "local", "address": "http://..."}')
        return None
    name = entry.get("name")
    if not is_provider_name(name):
        shown = _shown(name)
        if "@" in shown or "://" in shown:
            shown = "an address"
        warnings.append(f'a provider is skipped: its "name" is {shown}, which is not {NAME_ALLOWED}')
        return None
    values: dict[str, Any] = {}
    is_usable = True
    for key, (read, allowed) in _KEYS.items():
        try:
            values[key] = read(entry.get(key))
        except ValueError:  # noqa: PERF203 (four keys)
            # Not shown: an address may hold a password, and a key may stand where its variable belongs.
            warnings.append(f'provider {name!r} serves no model: its "{key}" is not {allowed}')
            is_usable = False
    if not is_usable:
        return OwnProvider(str(name))
    return _provider(str(name), entry, values, warnings)


def _provider(name: str, entry: Mapping[str, Any], values: dict[str, Any], warnings: list[str]) -> OwnProvider:
    subject = f"provider {name!r}"
    allowed = ("name", *_KEYS, *_TERMS, "price")
    if unknown := sorted(map(str, set(entry).difference(allowed))):
        warnings.append(f"{', '.join(unknown)} of {subject} has no effect; allowed are {', '.join(allowed)}")
    general = ModelTerms()
    is_free = values["local"]
    if is_free is None:
        is_free = is_local(urlsplit(values["address"]).hostname or "")
    if is_free:
        general = ModelTerms(input_price=0.0, output_price=0.0)
    terms = _read_terms(entry, subject, warnings).over(general)
    models = tuple(filter(None, (_read_model(each, subject, warnings) for each in values["models"])))
    if values["models"] and not models:  # discovering all in place of a few would call what was not named
        return OwnProvider(name)
    return OwnProvider(name, values["address"], values["key_env"], models, terms)


def _read_model(entry: object, subject: str, warnings: list[str]) -> OwnModel | None:
    """Read a model: its name, or an object with its `id` and its terms."""
    raw: Mapping[str, Any] = {"id": entry}
    if isinstance(entry, Mapping):
        raw = entry
    name = raw.get("id")
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        warnings.append(f'a model of {subject} is skipped: its "id" is {_shown(name)}, not the name of a model')
        return None
    return OwnModel(name.strip(), _read_terms(raw, f"model {name.strip()!r} of {subject}", warnings))


def _read_terms(raw: Mapping[str, Any], subject: str, warnings: list[str]) -> ModelTerms:
    values: dict[str, Any] = {}
    for key, (read, allowed) in _TERMS.items():
        try:
            values[key] = read(raw.get(key))
        except ValueError:  # noqa: PERF203 (four keys)
            warnings.append(f'"{key}" of {subject} is ignored: {_shown(raw[key])} is not {allowed}')
    try:
        values["input_price"], values["output_price"] = _prices(raw.get("price"))
    except ValueError:
        warnings.append(
            f'"price" of {subject} is ignored: {_shown(raw["price"])} is not an object with "input" and "output", '
            "US dollars for a million tokens"
        )
    return ModelTerms(**values)


def _shown(value: object) -> str:
    return repr(value)[:80]


# ---- how the value of a key is read; None stands for a key that is not there


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 (as all readers)
    parts = urlsplit(value.strip())
    unwanted = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or unwanted:
        raise ValueError
    _ = parts.port  # raises for one that is not a number up to 65535
    parts.hostname.encode("idna")  # raises for one that cannot be looked up
    if not value.strip().isprintable() or " " in value.strip():
        raise ValueError
    address = value.strip().rstrip("/").removesuffix("/chat/completions")
    return address if parts.path.rstrip("/") else f"{address}/v1"


def _variable(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not (value.isascii() and value.isidentifier()) or value.startswith("hf_"):
        raise ValueError
    return value


def _models(value: object) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 (as all readers)
    return value


def _yes_or_no(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError
    return value


def _count(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise ValueError
    return value


def _prices(value: object) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        raise ValueError  # noqa: TRY004 (as all readers)
    return _price(value.get("input")), _price(value.get("output"))


def _price(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_NUMBER:
        raise ValueError
    return float(value)


Readers = dict[str, tuple[Callable[[object], Any], str]]
_KEYS: Readers = {
    "address": (_address, ADDRESS_ALLOWED),
    "key_env": (_variable, VARIABLE_ALLOWED),
    "models": (_models, "an array of names, or of objects with an id"),
    "local": (_yes_or_no, "true or false"),
}
_TERMS: Readers = {
    "context_length": (_count, "a whole number of at least 1"),
    "tools": (_yes_or_no, "true or false"),
    "structured_output": (_yes_or_no, "true or false"),
    "images": (_yes_or_no, "true or false"),
}
