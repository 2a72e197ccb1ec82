"""The `endpoint` router: a model behind an OpenAI-compatible server, asked what `arch` asks a local one."""

import time
from collections.abc import Sequence
from typing import Any

import httpx

from omni_router.config.environment import ROUTER_TIMEOUT
from omni_router.errors import ConfigurationError
from omni_router.routers.budget import fit
from omni_router.routers.endpoint.client import ChatServer, EndpointFailed
from omni_router.routers.prompt import PROMPTS, PromptForm
from omni_router.routers.protocol import Reply, RouteOption, Turn
from omni_router.routers.reply import parse_reply
from omni_router.tasks import OTHER

# As in `arch`, but estimated: the server has the tokenizer. English has 4 to 5 bytes a token, code and JSON 3, Chinese
# 3 to 5, so that the estimate is rather too high.
MAX_PROMPT_TOKENS = 4096
_BYTES_A_TOKEN = 3
MAX_NEW_TOKENS = 128  # as in `arch`: about 60 are needed, and a reply that is cut off is still read


class EndpointRouter:
    """Asks a server for the route, greedily; with a schema for the reply where the server takes one."""

    def __init__(  # noqa: PLR0913 (each but the first two has a default and is given by name)
        self,
        url: str,
        model: str,
        *,
        prompt: PromptForm = "json",
        key: str | None = None,
        timeout: float = ROUTER_TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Keep the arguments; nothing is connected yet.

        Args:
            url: of the server, with or without /v1.
            model: its name as the server knows it.
            prompt: what the model is asked; `trained` is Arch-Router's own form and gets a route only.
            key: sent as a bearer token.
            timeout: seconds for a choice, whatever it takes.
            transport: another way than the network.
        """
        if prompt not in PROMPTS:
            raise ConfigurationError(f"No prompt form is named {prompt!r}; there are {', '.join(PROMPTS)}.")
        self.model, self._form = model, prompt
        self._server = ChatServer(url, key=key, timeout=timeout, transport=transport)
        self._with_schema = True  # until the server refuses one

    @property
    def origin(self) -> str:
        """The server's address as it may be shown."""
        return self._server.origin

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Give the model's words as they are.

        Raises:
            EndpointFailed: the server is late, down, refuses, or names no route that was on offer.
            ConfigurationError: the routes alone fill the prompt.
        """
        text = self._asked(self._request(conversation, routes), reply_schema(routes, self._form))
        route = (parse_reply(text).route or "").casefold()
        if route not in {OTHER, *(offered.name.casefold() for offered in routes)}:
            raise EndpointFailed("nonsense", "its reply names no route that was on offer")
        return Reply(text)

    def _request(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> dict[str, Any]:
        def prompt(turns: Sequence[Turn]) -> str:
            return PROMPTS[self._form](turns, routes)

        turns = fit(conversation, MAX_PROMPT_TOKENS, lambda turns: estimated_tokens(prompt(turns)))
        # A lone surrogate would be refused, as it is no character.
        content = prompt(turns).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "frequency_penalty": 0,  # said because checkpoints come with a penalty on the repetition that JSON needs
            "max_tokens": MAX_NEW_TOKENS,
        }

    def _asked(self, request: dict[str, Any], schema: dict[str, Any]) -> str:
        deadline = time.monotonic() + self._server.timeout
        if self._with_schema:
            named = {"name": "choice", "strict": True, "schema": schema}
            try:
                response_format = {"type": "json_schema", "json_schema": named}
                return self._server.complete({**request, "response_format": response_format}, deadline)
            except EndpointFailed as failed:
                if failed.fault != "refused":
                    raise
            text = self._server.complete(request, deadline)
            self._with_schema = False  # only now: it was the schema that was refused, and not the request
            return text
        return self._server.complete(request, deadline)


def reply_schema(routes: Sequence[RouteOption], form: PromptForm) -> dict[str, Any]:
    """Describe the replies the prompt form asks for, with the names that are on offer and no others."""
    candidates = dict.fromkeys(model for route in routes for model in route.candidates)
    properties: dict[str, Any] = {"route": {"type": "string", "enum": [*(route.name for route in routes), OTHER]}}
    if form == "json":
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
