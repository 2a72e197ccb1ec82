"""What of OpenAI's requests is served, and which settings of a run it becomes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from omni_router.server.openai_api.messages import wrong
from omni_router.server.openai_api.models import OMNI

MAX_SIDE = 4096  # pixels; what image models make today ends well below

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Body(BaseModel):
    """What every request has; what is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = OMNI


class _Function(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str


class _Tool(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

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

    def knobs(self) -> dict[str, Any]:
        """Give the fields of `Settings` that the request names."""
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
        }
        return {name: value for name, value in given.items() if value is not None}


class ImageRequest(Body):
    """POST /v1/images/generations, as far as it is served."""

    prompt: Text
    size: Annotated[str, StringConstraints(pattern=r"^(auto|[1-9]\d{1,3}x[1-9]\d{1,3})$")] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: Literal[False] | None = None

    def knobs(self) -> dict[str, Any]:
        """Give the fields of `Settings` that the request names."""
        if self.size in (None, "auto"):
            return {}
        width, height = map(int, str(self.size).split("x"))
        if max(width, height) > MAX_SIDE:
            raise wrong("size", self.size, f"allowed are auto and WIDTHxHEIGHT in pixels, each at most {MAX_SIDE}")
        return {"width": width, "height": height}
