"""What of OpenAI's requests is served, and which settings of a run it becomes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from omni_router.server.openai.messages import wrong
from omni_router.server.openai.models import OMNI

MAX_SIDE = 4096  # pixels; what image models make today ends well below

# Parameters for `Settings.extra_body`, and the values of each that ask for nothing.
_EXTRA: dict[str, tuple[object, ...]] = {
    "top_k": (-1, 0),
    "min_p": (0,),
    "repetition_penalty": (1,),
    "chat_template_kwargs": ({},),
    "logit_bias": ({},),
}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Body(BaseModel):
    """What every request has; what is not named here is ignored, or refused before it comes here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str = OMNI


class _Function(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str


class _Tool(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["function"]
    function: _Function


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: bool = False


class ChatRequest(Body):
    """POST /v1/chat/completions, as far as it is served."""

    messages: list[Any] = Field(min_length=1)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    # Not of OpenAI, but of most servers that providers run.
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)
    chat_template_kwargs: dict[str, Any] | None = None
    logit_bias: dict[str, float] | None = None

    def knobs(self) -> dict[str, Any]:
        """Return the fields of `Settings` that the request names."""
        form = self.response_format
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "max_new_tokens": self.max_completion_tokens or self.max_tokens,
            "tools": [tool.model_dump() for tool in self.tools or []] or None,
            "tool_choice": self.tool_choice if self.tools else None,
            "response_format": form if form and form.get("type") != "text" else None,
            "frequency_penalty": self.frequency_penalty or None,
            "presence_penalty": self.presence_penalty or None,
            "extra_body": self._extra_body() or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _extra_body(self) -> dict[str, Any]:
        """Return what a provider is sent as it is; a value that asks for nothing is left out, for strict providers."""
        asked: dict[str, Any] = {}
        for name, neutral in _EXTRA.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                asked[name] = value
        return asked


class ImageRequest(Body):
    """POST /v1/images/generations, as far as it is served."""

    prompt: Text
    size: Annotated[str, StringConstraints(pattern=r"^(auto|[1-9]\d{1,3}x[1-9]\d{1,3})$")] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: Literal[False] | None = None

    def knobs(self) -> dict[str, Any]:
        """Return the fields of `Settings` that the request names."""
        if self.size in (None, "auto"):
            return {}
        width, height = map(int, str(self.size).split("x"))
        if max(width, height) > MAX_SIDE:
            raise wrong("size", self.size, f"allowed are auto and WIDTHxHEIGHT in pixels, each at most {MAX_SIDE}")
        return {"width": width, "height": height}
