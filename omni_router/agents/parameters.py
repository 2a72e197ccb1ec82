"""LangChain's parameters of chat models, read as fields of `Settings`."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from omni_router.config.settings import Settings, settings_of_own_name
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.selection.overrides import named_model

_FIELDS = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens", "model_name": "model"}
_RETRIES = "max_retries"  # a retry calls another model
_IGNORED = ("parallel_tool_calls",)  # a hint that no route depends on; /v1 ignores it too


def read_fields(parameters: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """Return the fields of a chat model: its `own` as they are, and all those of `Settings`.

    Raises:
        ConfigurationError: `skip_specialists` is set.
        InvalidRequest: a name is unknown, or a value is not allowed.
    """
    others = dict(parameters)
    settings = Settings.model_validate(others.pop("settings", None) or {})
    fields = {name: others.pop(name) for name in own if name in others}
    settings = update_settings(settings, others)
    refuse_routing_only(settings)
    return {**fields, **dict(settings)}


def refuse_routing_only(settings: Settings) -> None:
    """Raise if a turn would call no model.

    Raises:
        ConfigurationError: `skip_specialists` is set.
    """
    if settings.skip_specialists:
        raise ConfigurationError("with skip_specialists no model is called, so a chat model has nothing to answer")


def update_settings(settings: Settings, parameters: Mapping[str, Any]) -> Settings:
    """Return settings with the parameters of a model, or of one call of it.

    Raises:
        InvalidRequest: a name is unknown, or a value is not allowed.
    """
    changes = _read(parameters)
    if not changes:
        return settings
    try:
        changed = Settings.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InvalidRequest(f"a parameter of ChatOmni is not allowed: {problems}") from error
    if changed.model is not None:
        named_model(changed.model)
    return changed


def _read(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as fields of `Settings`, without those that are None."""
    changes: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _IGNORED:
            continue
        field = "max_models" if name == _RETRIES else _FIELDS.get(name, name)
        if field not in Settings.model_fields:
            allowed = ", ".join([*Settings.model_fields, *_FIELDS, _RETRIES])
            raise InvalidRequest(f"{name} is not a parameter of ChatOmni; allowed are {allowed}")
        if value is not None:
            changes[field] = _field_value(name, value)
    named = settings_of_own_name(str(changes.get("model")))
    if named is None:
        return changes
    return {**named, **changes, "model": None}


def _field_value(name: str, value: Any) -> Any:
    if name == _RETRIES and isinstance(value, int):
        return value + 1
    if name == "stop" and isinstance(value, str):
        return (value,)
    return value
