"""The parameters of OpenAI's requests that are served, and the settings of a run that they become."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from omni_router.config.parameters import ReasoningEffort
from omni_router.config.settings import OMNI
from omni_router.server.openai.errors import wrong

_TOOL_FIELDS: dict[str, tuple[type, str]] = {
    "description": (str, "it is a text"),
    "parameters": (dict, "it is a JSON schema, an object"),
    "strict": (bool, "allowed are true and false"),
}

MIN_SIDE, MAX_SIDE = 10, 4096  # pixels; what image models make today ends well below

# Parameters for `Settings.extra_body`, and the values of each that have no effect.
_EXTRA: dict[str, tuple[object, ...]] = {
    "top_k": (-1, 0),
    "min_p": (0,),
    "repetition_penalty": (1,),
    "chat_template_kwargs": ({},),
    "logit_bias": ({},),
}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Body(BaseModel):
    """What every request has; other parameters are ignored, or were refused before."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str = OMNI


class _Function(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["function"]
    function: _Function


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: bool = False


class ChatRequest(Body):
    """The parameters of POST /v1/chat/completions that are served."""

    messages: list[Any] = Field(min_length=1)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: ReasoningEffort | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    # Not OpenAI's, but those of most servers that providers run.
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)
    chat_template_kwargs: dict[str, Any] | None = None
    logit_bias: dict[str, float] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the fields of `Settings` that the request names."""
        settings: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": self.stop,
            "reasoning_effort": self.reasoning_effort,
            "max_new_tokens": self.max_completion_tokens or self.max_tokens,
            "response_format": self.response_format,
            "frequency_penalty": self.frequency_penalty or None,
            "presence_penalty": self.presence_penalty or None,
            "extra_body": self._extra_body() or None,
        }
        if isinstance(self.stop, str):
            settings["stop"] = [self.stop]
        if self.tools:
            settings["tools"] = [tool.model_dump(exclude_unset=True) for tool in self.tools]
            settings["tool_choice"] = _checked_choice(self.tool_choice)
        if (self.response_format or {}).get("type") == "text":
            settings["response_format"] = None
        return {name: value for name, value in settings.items() if value is not None}

    def _extra_body(self) -> dict[str, Any]:
        """Return what is sent to a provider unchanged, without values that have no effect, for strict providers."""
        extra: dict[str, Any] = {}
        for name, neutral in _EXTRA.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                extra[name] = value
        return extra


def check_tool(tool: Mapping[str, Any], where: str) -> None:
    """Check the fields of a tool that another dialect has under the same names, beside that of its schema.

    Raises:
        ApiError: one has a value of a wrong type; the error says where in the request of that dialect.
    """
    for name, (kind, allowed) in _TOOL_FIELDS.items():
        if not isinstance(tool.get(name), kind | None):
            raise wrong(f"{where}.{name}", tool[name], allowed)


def _checked_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Return what a request says about its tools; kinds of choice that are not known here are the provider's to judge.

    Raises:
        ApiError: it is an object without a type, or names no function.
    """
    match choice:
        case {"type": "function", "function": {"name": str()}}:
            return choice
        case {"type": str(kind)} if kind != "function":
            return choice
        case dict():
            raise wrong("tool_choice", choice, 'allowed are auto, none, required, and {"type": "function", "function": '
                        '{"name": "..."}}')  # fmt: skip
    return choice


class ImageRequest(Body):
    """The parameters of POST /v1/images/generations that are served."""

    prompt: Text
    size: str | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: Literal[False] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the fields of `Settings` that the request names."""
        if self.size in (None, "auto"):
            return {}
        width, _, height = str(self.size).partition("x")
        sides = (_side(width), _side(height))
        if not all(sides):
            raise wrong("size", self.size, "allowed are auto and WIDTHxHEIGHT in pixels, each from "
                        f"{MIN_SIDE} to {MAX_SIDE}")  # fmt: skip
        return {"width": sides[0], "height": sides[1]}


def _side(text: str) -> int:
    """Return a number of pixels that is allowed, or 0."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_SIDE))
    if is_number and MIN_SIDE <= int(text) <= MAX_SIDE:
        return int(text)
    return 0
