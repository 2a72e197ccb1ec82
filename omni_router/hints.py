"""The readers of hints: each surface names only the settings that its users can change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Audience:
    """The phrases of one surface that complete the hints of `error_kinds.KINDS`."""

    token: str  # how to set a token, as the beginning of a sentence: "Set HF_TOKEN"
    another_model: str  # how to call another model, after "or"
    policy: str  # where routes are described
    fallback: str  # how to get an answer to a request that fits no route, after "or"
    more_time: str  # what to do about a model that is too slow, after "Ask again, or"
    sampling: str  # which limits of an answer can be changed, after "change"
    image: str  # how to send an image, after "Send a PNG, JPEG, WebP or GIF"
    network: str  # which network connection to check, and what works without one
    router: str  # what to do about a router without a readable choice, as a sentence up to "or"
    budget: str  # how to spend more than the budget


PYTHON = Audience(
    token="Set HF_TOKEN",
    another_model="name another model (`model` in the run's Settings)",
    policy="the policy file",
    fallback="name a `fallback_route` in the run's Settings",
    more_time="raise `timeout` or lower `max_new_tokens` in the run's Settings",
    sampling="`max_new_tokens` or `temperature` in the run's Settings",
    image="by a public http(s) address, or a local file by user_message(text, image=PATH)",
    network="Check the network connection and any proxy, then ask again; `with sandbox():` works without a network.",
    router="Look at its raw reply (`reply` in the state), or set OMNI_ROUTER=semantic",
    budget="Raise OMNI_BUDGET, or unset it",
)

COMMAND = Audience(
    token="Set HF_TOKEN (or pass --hf-token)",
    another_model="name another model (--model ORG/NAME)",
    policy="the policy file",
    fallback="name a route that answers such requests (--fallback-route ROUTE)",
    more_time="ask for a shorter answer (--max-new-tokens N)",
    sampling="--max-new-tokens or --temperature",
    image="by a public http(s) address or as a local file (--image-url URL|PATH)",
    network="Check the network connection and any proxy, then ask again; --sandbox works without a network.",
    router="Look at its raw reply with --debug-router, or try --router semantic",
    budget="Raise OMNI_BUDGET, or unset it",
)

HTTP = Audience(
    token="On the server, set HF_TOKEN",
    another_model="name another model (`model`: org/name)",
    policy="the server's policy",
    fallback="name a route that answers such requests (header `x-omni-fallback-route`)",
    more_time="ask for a shorter answer (`max_tokens`)",
    sampling="`max_tokens` or `temperature`",
    image="as a public http(s) address or a data URL",
    network="Check the server's network connection and any proxy, then ask again.",
    router="Ask again",
    budget="Raise OMNI_BUDGET on the server, or unset it",
)

# For the page, MCP and A2A, whose users cannot change settings: only the server's operator can.
SERVER = Audience(
    token="On the server, set HF_TOKEN",
    another_model="add another model to the route in the server's policy",
    policy="the server's policy",
    fallback="set OMNI_FALLBACK_ROUTE on the server",
    more_time="ask for a shorter answer",
    sampling="the request",
    image="as a file, a public http(s) address or a data URL",
    network="Check the server's network connection and any proxy, then ask again.",
    router="Ask again",
    budget="Raise OMNI_BUDGET on the server, or unset it",
)
