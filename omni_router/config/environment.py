"""The environment variables of this package: one table that is read here, and shown by `--help` and the documentation.

To add a variable, add a field to `Environment`, or to `ServerEnvironment` for what only servers read. The variable's
name is OMNI_ and the field's name in capitals.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from platformdirs import user_cache_path

from omni_router.config.client_environment import ClientEnvironment
from omni_router.config.parameters import (
    EFFORTS,
    PREFER,
    Prefer,
    ReasoningEffort,
    RouteParameters,
    parse_organization,
    parse_patterns,
    parse_prefer,
    parse_price,
)
from omni_router.config.parsing import (
    api_key,
    choice,
    count,
    declared,
    latency,
    names,
    optional,
    optional_text,
    read_all,
    read_one,
    seconds,
    share,
    switch,
    variable,
)
from omni_router.config.spending_budget import NO_BUDGET, Budget, read_budget
from omni_router.errors import ConfigurationError
from omni_router.simulation import is_simulated

RouterPrompt = Literal["json", "trained"]
EvidenceMode = Literal["on", "off", "shadow"]
EncoderPrecision = Literal["int8", "float32"]

# A router runs before every answer, and the embedded one takes 20 ms: past this many seconds its choice serves the
# user better than that of an endpoint. A 1.5B model on a GPU writes the 60 tokens of a reply well within it.
ROUTER_TIMEOUT = 2.0


@dataclass(frozen=True)
class Environment:
    """Where things are and which router is used; what a run may change is in `Settings`."""

    route_config: Path = variable(Path, Path("route_config.json"), "the policy: the routes and their history")
    output_dir: Path = variable(Path, Path("outputs"), "the folder for generated files")
    # The table of routers in `omni_router.services.router` checks it: only a name there has a router.
    router: str = variable(str, "auto", "which router chooses the route")
    router_model: str | None = variable(
        str, None, "a Hub id or a folder; with a server, the name it knows; with decision, MODULE:NAME or an address"
    )
    router_prompt: RouterPrompt = variable(
        choice(get_args(RouterPrompt)),
        "json",
        "json asks for route, model and reason; trained for a route only, in the form the checkpoint was trained on",
    )
    router_new_ids: bool = variable(
        switch, default=False, help="1: arch may name models that are not candidates; the catalog checks them"
    )
    router_url: str | None = variable(
        optional_text,
        None,
        "the OpenAI-compatible server of --router endpoint, cascade and decision; if it is set, auto means cascade",
        secret=True,
    )
    router_api_key: str | None = variable(optional_text, None, "the key of that server", secret=True)
    router_timeout: float = variable(
        seconds, ROUTER_TIMEOUT, "seconds that server may take before semantic decides instead", shown_default="2"
    )
    encoder: str | None = variable(
        str, None, "the encoder of semantic and cascade: a Hub id or a folder", shown_default="all-MiniLM-L6-v2"
    )
    encoder_precision: EncoderPrecision = variable(
        choice(get_args(EncoderPrecision)),
        "int8",
        "how all-MiniLM-L6-v2 computes: int8 rounds its weights to eight bits, float32 takes half as long again; other "
        "encoders are not affected",
    )
    cascade_target: float = variable(
        share,
        0.9,
        "--router cascade: semantic decides alone at or above this confidence, 0 to 1; below it, the server of "
        "OMNI_ROUTER_URL, or else arch, decides, and semantic learns from it",
    )
    cascade_size: int = variable(count, 1500, "how many of these decisions are kept to learn from")
    cascade_path: Path | None = variable(
        Path, None, "the file they are kept in", shown_default="beside the policy, or where OMNI_HISTORY is"
    )
    cascade_text: bool = variable(switch, default=False, help="1: keep the text of the requests with them")
    fallback_route: str | None = variable(
        optional_text,
        None,
        "the route that answers requests no route fits; none refuses them",
        shown_default="the policy's",
    )
    max_new_tokens: int | None = variable(
        optional(count),
        None,
        "length limit of text answers, in tokens",
        shown_default="the policy's, else the provider's own",
    )
    reasoning_effort: ReasoningEffort | None = variable(
        optional(choice(EFFORTS)),
        None,
        f"how long a reasoning model thinks: {', '.join(EFFORTS)}",
        shown_default="the policy's",
    )
    prefer: Prefer | float | None = variable(
        optional(parse_prefer),
        None,
        f"what counts when a model and its provider are chosen: {', '.join(PREFER)}, or a number, the weight of the "
        "price",
        shown_default="the policy's",
    )
    only: tuple[str, ...] = variable(
        parse_patterns,
        (),
        "patterns like org/* or *:provider, separated by commas; no model or provider is called that matches none of "
        "them; limits of the policy and of a request hold as well",
    )
    never: tuple[str, ...] = variable(parse_patterns, (), "patterns of models and providers that are never called")
    max_price: float | None = variable(
        optional(parse_price),
        None,
        "US dollars for a million tokens; no provider is called that charges more for input or output",
    )
    bill_to: str | None = variable(
        optional(parse_organization), None, "the organization on the Hub that pays, if the token may bill it"
    )
    sandbox: bool = variable(switch, default=False, help="1: simulate models on this machine")
    sandbox_latency: float = variable(latency, 0.0, "seconds that a simulated model takes", shown_default="0")
    sandbox_models: Path | None = variable(Path, None, "a JSON file of further simulated models", shown_default="none")
    cache_dir: Path = variable(
        Path,
        lambda: user_cache_path("omni-router"),
        "where answers of the Hub are cached; may be deleted at any time",
        shown_default="the user's cache folder",
    )
    history: str = variable(
        str,
        "file",
        "file, postgresql://USER@HOST/DATABASE (shared by many machines), or store (of the graph that embeds this one)",
        secret=True,  # an address, even a mistyped one, may hold a password
    )
    evidence: EvidenceMode = variable(
        choice(get_args(EvidenceMode)),
        "on",
        "whether benchmark boards and Arena's ratings, read twice a day without a token, help to choose the model; off "
        "reads none, shadow only shows what they would have chosen",
    )
    budget: Budget = variable(
        read_budget,
        NO_BUDGET,
        "US dollars that calls of models may cost: 0.50/thread, 5/day, or both with a comma; near the limit the "
        "cheapest providers are chosen, and at the limit no model is called",
        shown_default="no limit",
    )
    decision_log: Path | None = variable(Path, None, "a file to which every decision is appended")
    decision_log_text: bool = variable(switch, default=False, help="1: keep the text of the requests in it")
    tracing: bool = variable(
        switch, default=False, help="1: send spans to the OpenTelemetry SDK of the program that runs the graph"
    )
    metrics: bool = variable(
        switch, default=False, help="1: collect metrics for Prometheus; a server shows them at /omni/metrics"
    )
    threads: int = variable(
        count, 64, "how many blocking calls run at once under async hosts; one model gets at most seven eighths of them"
    )

    def limits(self) -> RouteParameters:
        """Return the limits on models and providers, which hold for every route and every run."""
        return RouteParameters(only=(self.only,) if self.only else (), never=self.never, max_price=self.max_price)

    @classmethod
    def read(cls, *, variables: Mapping[str, str] = os.environ, **flags: Any) -> "Environment":
        """Read the variables; a flag, named as the field, wins over its variable unless it is None.

        Raises:
            ConfigurationError: a value is not allowed.
        """
        environment = read_all(cls, variables, flags)
        if environment.router == "endpoint" and environment.router_url is None:
            raise ConfigurationError(
                "--router endpoint needs the address of an OpenAI-compatible server: set --router-url or "
                "OMNI_ROUTER_URL"
            )
        simulated = environment.sandbox or is_simulated()
        if simulated and flags.get("route_config") is None:  # simulated models do not belong in a real history
            return replace(environment, route_config=environment.output_dir / "sandbox" / "route_config.json")
        return environment


@dataclass(frozen=True)
class ServerEnvironment:
    """The variables that only servers read."""

    api_key: str | None = variable(
        api_key, None, "the key that clients of /v1 must send; without one, only this machine is served", secret=True
    )
    users: Path | None = variable(Path, None, "a JSON file of users of /v1 with keys of their own (see new-key)")
    # An image of 14 MB as base64, or several million tokens; it takes up to 180 MB of memory.
    max_body: int = variable(count, 20_000_000, "the largest body of a request, in bytes")
    # Twice OMNI_THREADS: as many again may wait for a thread.
    max_concurrent: int = variable(count, 128, "how many requests run at once; further ones get status 429")
    hosts: frozenset[str] = variable(
        names,
        frozenset(),
        "further host names to answer to, separated by commas; * is every name (OMNI_MCP_HOSTS is its older name)",
        aliases=("OMNI_MCP_HOSTS",),
    )

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "ServerEnvironment":
        """Read the variables.

        Raises:
            ConfigurationError: a value is not allowed.
        """
        return read_all(cls, variables, {})


VARIABLES = (*declared(Environment), *declared(ServerEnvironment), *declared(ClientEnvironment))


def read_variable(name: str, variables: Mapping[str, str] = os.environ) -> Any:
    """Return the value of one variable, by its full name, or its default.

    Raises:
        ConfigurationError: the value is not allowed.
    """
    for each in VARIABLES:
        if each.name == name:
            return read_one(each, variables)
    raise KeyError(name)
