"""The `endpoint` router: a model behind an OpenAI-compatible server, with the prompts of `arch`."""

import time
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import httpx

from omni_router.errors import ConfigurationError, EndpointFailed
from omni_router.routers.budget import fit
from omni_router.routers.endpoint.client import ChatClient
from omni_router.routers.prompt import PROMPTS, PromptForm
from omni_router.routers.protocol import BaseRouter, Reply, RouteOption, Turn
from omni_router.routers.reply import parse_reply
from omni_router.tasks import OTHER

# Another router stands by for the answer of a late endpoint, and the embedded one needs 20 ms. A 1.5B model on a GPU
# writes the 60 tokens of a reply well within this time.
TIMEOUT = 2.0  # seconds
# As in `arch`, but estimated: the server has the tokenizer. English has 4 to 5 bytes a token, code and JSON 3, Chinese
# 3 to 5, so that the estimate is rather too high.
MAX_PROMPT_TOKENS = 4096
_BYTES_A_TOKEN = 3
MAX_NEW_TOKENS = 128  # the same as in `arch`: about 60 are needed, and a reply that is cut off is still read


class EndpointRouter(BaseRouter):
    """Requests the route from a server, greedily; with a schema for the reply where the server accepts one."""

    def __init__(  # noqa: PLR0913 (each but the first two has a default and is passed by name)
        self,
        url: str,
        model: str,
        *,
        prompt: PromptForm = "json",
        key: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Keep the arguments; nothing is connected yet.

        Args:
            url: of the server, with or without /v1.
            model: its name as the server knows it.
            prompt: the form of the prompt; `trained` is Arch-Router's own form and gets a route only.
            key: sent as a bearer token.
            timeout: seconds for a choice, whatever it takes.
            transport: sends the requests instead of the network.
        """
        if prompt not in PROMPTS:
            raise ConfigurationError(f"Unknown prompt form {prompt!r}; allowed are {', '.join(PROMPTS)}.")
        self.model, self._form = model, prompt
        self._client = ChatClient(url, key=key, timeout=timeout, transport=transport)
        self._with_schema = True  # false once the server has refused a schema

    @property
    def title(self) -> str:
        """The endpoint as messages name it, with the server's address as it may be shown."""
        return f"endpoint {self._client.origin}"

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the text of the model as it is.

        Raises:
            EndpointFailed: the server is late, down, refuses, or names no route that may be chosen.
            ConfigurationError: the routes alone fill the prompt.
        """
        text = self._complete(self._request(conversation, routes), reply_schema(routes, self._form))
        names = {OTHER, *(route.name.casefold() for route in routes)}
        if (parse_reply(text).route or "").casefold() not in names:
            raise EndpointFailed("invalid_reply", "its reply does not name a route that may be chosen")
        return Reply(text)

    def _request(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> dict[str, Any]:
        def prompt(turns: Sequence[Turn]) -> str:
            return PROMPTS[self._form](turns, routes)

        turns = fit(conversation, MAX_PROMPT_TOKENS, lambda turns: estimated_tokens(prompt(turns)))
        # A lone surrogate would be refused, since it is not a character.
        content = prompt(turns).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "frequency_penalty": 0,  # checkpoints come with a penalty on the repetition that JSON needs
            "max_tokens": MAX_NEW_TOKENS,
        }

    def _complete(self, request: dict[str, Any], schema: dict[str, Any]) -> str:
        deadline = time.monotonic() + self._client.timeout
        if not self._with_schema:
            return self._client.complete(request, deadline)
        json_schema = {"name": "choice", "strict": True, "schema": schema}
        response_format = {"type": "json_schema", "json_schema": json_schema}
        try:
            return self._client.complete({**request, "response_format": response_format}, deadline)
        except EndpointFailed as error:
            if error.fault != "refused":
                raise
        text = self._client.complete(request, deadline)
        self._with_schema = False  # set only now: the server refused the schema, and not the request
        return text


def reply_schema(routes: Sequence[RouteOption], form: PromptForm) -> dict[str, Any]:
    """Return the JSON schema of the replies that the prompt form asks for, with the names that may be chosen."""
    names = [*map(attrgetter("name"), routes), OTHER]
    properties: dict[str, Any] = {"route": {"type": "string", "enum": names}}
    if form == "json":
        candidates = dict.fromkeys(chain.from_iterable(map(attrgetter("candidates"), routes)))
        properties["model"] = {"type": ["string", "null"], "enum": [*candidates, None]}
        properties["reason"] = {"type": "string"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text without its tokenizer, rather too high."""
    return len(text.encode(errors="surrogatepass")) // _BYTES_A_TOKEN
