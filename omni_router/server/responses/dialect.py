"""The parameters of a response as those of a chat."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from omni_router.config.parameters import ReasoningEffort
from omni_router.server.openai.bodies import Refused, read_as
from omni_router.server.openai.dialect import Answer, Dialect
from omni_router.server.openai.errors import wrong
from omni_router.server.openai.requests import Body
from omni_router.server.responses.input import Conversation
from omni_router.server.responses.output import ENCRYPTED, Response
from omni_router.server.responses.stream import EventWriter
from omni_router.server.responses.tools import Tools

_STATELESS = "responses are not stored here; send the whole conversation as `input` with every request"

# Parameters that would change the meaning of an answer and are not served, as in `server.openai.bodies`.
REFUSED: Refused = {
    "previous_response_id": ((), _STATELESS),
    "conversation": ((), _STATELESS),
    "background": ((False,), "allowed is False; a response that is not stored cannot be fetched later, use `stream`"),
    "prompt": ((), "prompt templates are not stored here; send `instructions` and `input`"),
    "top_logprobs": ((0,), "allowed is 0; log probabilities are not served"),
}


class _Reasoning(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    effort: ReasoningEffort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class _Text(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    format: dict[str, Any] | None = None
    verbosity: str | None = None


class ResponseRequest(Body):
    """The parameters that are not those of chat completions, or have another form."""

    input: str | list[Any] = Field(min_length=1)
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    metadata: dict[str, str] | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: _Text = _Text()
    reasoning: _Reasoning | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    store: bool | None = None
    background: bool | None = None
    prompt: Any = None


class Responses(Dialect):
    """OpenAI's Responses API, for clients that send the whole conversation."""

    def __init__(self, request: dict[str, Any]) -> None:
        super().__init__({name: value for name, value in request.items() if value is not None})
        self._places: list[str] = []
        self._tools = Tools([], None)

    def chat_body(self) -> dict[str, Any]:
        """Return the request as a body of chat completions.

        Raises:
            ApiError: a parameter has a value that is not allowed, or needs stored responses.
        """
        request = read_as(ResponseRequest, self.request, REFUSED)
        self._tools = Tools(request.tools or [], request.tool_choice)
        conversation = Conversation(request.instructions, request.input, self._tools)
        self._places = conversation.places
        own = ResponseRequest.model_fields.keys() - Body.model_fields.keys()
        body = {name: value for name, value in self.request.items() if name not in own}
        body |= self._tools.for_chat()
        body |= {
            "messages": conversation.messages,
            "max_completion_tokens": request.max_output_tokens,
            "response_format": _response_format(request.text.format),
        }
        if request.reasoning is not None:
            body["reasoning_effort"] = request.reasoning.effort
        return body | dict.fromkeys(self._without_effect(request), True)

    def place(self, index: int) -> str:
        """Return where in the request a message of the chat stands."""
        return self._places[index]

    def body(self, answer: Answer) -> dict[str, Any]:
        """Return the whole response."""
        return Response(self.request, self._tools).finished(answer)

    def writer(self) -> EventWriter:
        """Return a writer of events."""
        return EventWriter(Response(self.request, self._tools))

    def _without_effect(self, request: ResponseRequest) -> list[str]:
        names = list(self._tools.left_out)
        if request.text.verbosity is not None:
            names.append("text.verbosity")
        if request.parallel_tool_calls is False:
            names.append("parallel_tool_calls")
        if request.store:  # the default of some clients; a later reference to the response is refused
            names.append("store")
        if request.truncation == "auto":
            names.append("truncation")
        names += [f"include.{name}" for name in request.include or [] if name != ENCRYPTED]
        return names


def _response_format(form: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the format of the text as a chat has it, where the schema has an object of its own."""
    match form:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return form
        case {"type": "json_schema", "name": str(), "schema": dict()}:
            kept = ("name", "schema", "strict", "description")
            return {"type": "json_schema", "json_schema": {key: form[key] for key in kept if form.get(key) is not None}}
        case {"type": "json_schema"}:
            raise wrong("text.format", form, "a format of type json_schema has a name and a schema")
    raise wrong("text.format", form, "allowed types are text, json_object and json_schema")
