"""The settings of one run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from omni_router.config.parameters import (
    MAX_TEMPERATURE,
    PATTERNS,
    PREFER_ALLOWED,
    Prefer,
    ReasoningEffort,
    RouteParameters,
    parse_organization,
    read_prefer,
    split_prefer,
)
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:  # listing the routes does not import pydantic
    from omni_router.config.routes import Route

# Parameters that every call sets: `extra_body` is merged into the body last, and would silently replace them.
RESERVED = (
    *("messages", "model", "stream", "stream_options", "tools", "tool_choice", "response_format", "stop", "n"),
    *("max_tokens", "temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"),
)

OMNI = "omni"  # in the place of a model: the router chooses
DEFAULT_TEMPERATURE = 0.7
NO_FALLBACK = "none"  # the value of `fallback_route` that refuses requests that fit no route


class SettingsFields(BaseModel):
    """The fields of `Settings`, for classes that have further fields."""

    route: str | None = Field(default=None, description="Use this route; the router is not called.")
    model: str | None = Field(
        default=None,
        description="Call this model and no other: org/name, or org/name:provider. The route is still chosen.",
    )
    another: bool = Field(
        default=False,
        description="Answer the newest request again, with the next best model than the one that has answered it; the "
        "new answer replaces the old one.",
    )
    fallback_route: str | None = Field(
        default=None,
        description="The route used when none fits or the router returns no readable choice; `none` refuses such "
        "requests. By default OMNI_FALLBACK_ROUTE, else the route with `fallback` in the policy.",
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="If the router's confidence is below this, the fallback route is used, if there is one.",
    )
    skip_specialists: bool = Field(default=False, description="Only route: record the decision and call no model.")
    max_models: int = Field(default=3, ge=1, le=10, description="How many different models a turn may try.")
    max_new_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Length limit of a text answer, in tokens, reasoning included. By default OMNI_MAX_NEW_TOKENS, "
        "else the route's; else as much as fits for a model that reasons, and the provider's own for others.",
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=MAX_TEMPERATURE,
        description="Sampling temperature of a text answer. By default the route's in the policy, else 0.7.",
    )
    reasoning_effort: ReasoningEffort | None = Field(
        default=None,
        description="How long a reasoning model thinks before it answers. By default OMNI_REASONING_EFFORT, "
        "else the route's.",
    )
    prefer: Prefer | float | None = Field(
        default=None,
        description="What counts in the choice of a provider: best, balanced, cheapest or fastest, or a "
        "number, the weight of the price: 0 is best, 0.02 balanced, 0.045 cheapest. By default OMNI_PREFER, "
        "else the route's.",
    )
    only: tuple[str, ...] = Field(
        default=(),
        description="Patterns like org/*, org/name or *:provider; no model or provider is called that matches none of "
        "them. Those of the route and of OMNI_ONLY hold as well.",
    )
    never: tuple[str, ...] = Field(
        default=(), description="Patterns of models and providers that are not called, beside the route's."
    )
    max_price: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="US dollars for a million tokens; no provider is called that charges more for input or output.",
    )
    bill_to: str | None = Field(
        default=None,
        description="The organization on the Hub that pays, if the token may bill it. By default OMNI_BILL_TO.",
    )
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling of a text answer.")
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Penalty on tokens of a text answer, by how often they have occurred."
    )
    presence_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Penalty on tokens of a text answer that have occurred at all."
    )
    extra_body: dict[str, Any] | None = Field(
        default=None,
        description="Further parameters of a text answer, sent to the provider as they are, such as top_k. If a "
        "provider refuses them, or a penalty, the call is repeated once without them.",
    )
    seed: int | None = Field(default=None, description="Seed of a text answer or an image, for models that take one.")
    stop: tuple[str, ...] = Field(default=(), description="Stop sequences: a text answer ends before any of these.")
    tools: tuple[dict[str, Any], ...] = Field(
        default=(),
        description="Functions that a text answer may call, in OpenAI's form. Only models that take tools are chosen.",
    )
    tool_choice: str | dict[str, Any] | None = Field(
        default=None, description="auto, none, required, or one function, in OpenAI's form."
    )
    response_format: dict[str, Any] | None = Field(
        default=None, description="The form of a text answer, such as a JSON schema, in OpenAI's form."
    )
    width: int | None = Field(default=None, ge=1, description="Width of an image in pixels, for models that take one.")
    height: int | None = Field(default=None, ge=1, description="Height of an image in pixels; see `width`.")
    timeout: float = Field(
        default=120.0,
        gt=0,
        description="Seconds a model may stay silent, or be polled for an image; images often take a minute.",
    )

    @field_validator("prefer", mode="before")
    @classmethod
    def _check_prefer(cls, value: object) -> Prefer | float | None:
        if value is None:
            return None
        try:
            return read_prefer(value)
        except ValueError:
            raise ValueError(f"Input should be {PREFER_ALLOWED}") from None

    @field_validator("only", "never")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(str.strip, patterns)):
            raise ValueError(f"Input should be a list of {PATTERNS}; one of them is blank")
        return tuple(map(str.strip, patterns))

    @field_validator("bill_to")
    @classmethod
    def _check_bill_to(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse_organization(value)
        except ValueError as error:
            raise ValueError(f"Input should be {error}") from None

    @field_validator("extra_body")
    @classmethod
    def _check_extra_body(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        reserved = [name for name in value or {} if name in RESERVED]
        if reserved:
            raise ValueError(f"extra_body must not contain {', '.join(reserved)}: use the fields of Settings instead")
        return value


class Settings(SettingsFields):
    """The settings of one run, passed as `context`; they hold no path and no token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def sampling_temperature(self) -> float:
        """The temperature that a text answer is sampled with."""
        return DEFAULT_TEMPERATURE if self.temperature is None else self.temperature

    def filled_from(self, defaults: "Settings") -> "Settings":
        """Return these settings, with unset fields (None) filled from `defaults`."""
        changes: dict[str, Any] = {}
        for name in type(self).model_fields:
            default = getattr(defaults, name)
            if getattr(self, name) is None and default is not None:
                changes[name] = default
        if not changes:
            return self
        return self.model_copy(update=changes)

    def for_route(self, parameters: RouteParameters) -> "Settings":
        """Return the settings of a call: those that the run leaves open are the route's.

        `only`, `never` and `max_price` of the run are no part of this: they join the route's in `hub.requirements`.
        """
        changes: dict[str, Any] = {}
        for name in ("temperature", "max_new_tokens", "reasoning_effort", "prefer"):
            default = getattr(parameters, name)
            if getattr(self, name) is None and default is not None:
                changes[name] = default
        if not changes:
            return self
        return self.model_copy(update=changes)


def settings_of_own_name(name: str) -> dict[str, Any] | None:
    """Return the fields of `Settings` for omni, omni/ROUTE, or either with `:cheapest` or the like; None for others."""
    name, prefer = split_prefer(name)
    head, slash, route = name.partition("/")
    if head.casefold() != OMNI:
        return None
    settings: dict[str, Any] = {}
    if slash:
        settings["route"] = route
    if prefer is not None:
        settings["prefer"] = prefer
    return settings


def resolve_settings(context: object, default: Settings) -> Settings:
    """Return the settings of a run; an embedded graph receives its parent's context, which may be anything."""
    if isinstance(context, Settings):
        return context
    return default


def fallback_route(settings: Settings, routes: "Sequence[Route]") -> "Route | None":
    """Return the route of requests that fit no route: that of the settings, else the policy's; None refuses them.

    Raises:
        ConfigurationError: the settings name a route that the policy does not have.
    """
    if settings.fallback_route is None:
        return next((route for route in routes if route.fallback), None)
    name = settings.fallback_route.casefold()
    if name == NO_FALLBACK:
        return None
    for route in routes:
        if route.name.casefold() == name:
            return route
    allowed = ", ".join([route.name for route in routes] + [NO_FALLBACK])
    raise ConfigurationError(f"fallback_route is {settings.fallback_route!r}; allowed are {allowed}")
