"""LangChain's parameters of chat models, read as fields of `Settings`."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.selection.overrides import named_model

_NAMES = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens", "model_name": "model"}
_RETRIES = "max_retries"  # after a failure the next model is asked
_IGNORED = ("parallel_tool_calls",)  # a hint that no route depends on; /v1 passes it over too


def read_fields(given: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """Return what a chat model is made with as its fields: its `own` as they are, and all those of `Settings`.

    Raises:
        ConfigurationError: `skip_specialists` is set.
        InvalidRequest: a name is unknown, or a value is not allowed.
    """
    parameters = {name: value for name, value in given.items() if name not in own and name != "settings"}
    settings = with_knobs(Settings.model_validate(given.get("settings") or {}), parameters)
    refuse_routing_only(settings)
    return {**{name: value for name, value in given.items() if name in own}, **dict(settings)}


def refuse_routing_only(settings: Settings) -> None:
    """Raise if a turn would call no model.

    Raises:
        ConfigurationError: `skip_specialists` is set.
    """
    if settings.skip_specialists:
        raise ConfigurationError("skip_specialists calls no model, so that a chat model has nothing to answer")


def with_knobs(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Change settings by what was given, for a model or for one call of it.

    Raises:
        InvalidRequest: a name is unknown, or a value is not allowed.
    """
    if not (knobs := _read(given)):
        return settings
    try:
        changed = Settings.model_validate({**settings.model_dump(), **knobs})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InvalidRequest(f"a parameter of ChatOmni is not allowed: {wrong}") from error
    if changed.model is not None:
        named_model(changed.model)
    return changed


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read parameters as fields of `Settings`; None says nothing."""
    knobs: dict[str, Any] = {}
    for name, value in given.items():
        if name in _IGNORED:
            continue
        field = "max_models" if name == _RETRIES else _NAMES.get(name, name)
        if field not in Settings.model_fields:
            allowed = ", ".join([*Settings.model_fields, *_NAMES, _RETRIES])
            raise InvalidRequest(f"{name} is no parameter of ChatOmni; there are: {allowed}")
        if value is not None:
            knobs[field] = _meant(name, value)
    return knobs


def _meant(name: str, value: Any) -> Any:
    if name == _RETRIES and isinstance(value, int):
        return value + 1
    return (value,) if name == "stop" and isinstance(value, str) else value
