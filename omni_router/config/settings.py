from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """The knobs of one run, given as `context`; they hold no path and no token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fallback_route: str | None = Field(
        default=None, description="The route taken when none fits or the router gives no readable choice."
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Below this confidence of the router, the fallback route is taken, if there is one.",
    )
    skip_specialists: bool = Field(default=False, description="Only route: record the decision and call no model.")
    max_models: int = Field(default=3, ge=1, le=10, description="How many different models a turn may try.")
    max_new_tokens: int = Field(default=1024, ge=1, description="Length limit of a text answer, in tokens.")
    temperature: float = Field(default=0.7, ge=0, le=2, description="Sampling temperature of a text answer.")
    timeout: float = Field(
        default=120.0,
        gt=0,
        description="Seconds a model may stay silent, or be polled for a picture; pictures often take a minute.",
    )


def settings_of(context: object, default: Settings) -> Settings:
    """Read the run's settings: an embedded graph receives its parent's context, whatever that is."""
    return context if isinstance(context, Settings) else default
