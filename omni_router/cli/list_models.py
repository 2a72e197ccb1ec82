"""`--list-models`: what inference providers serve now for a task, and in which order a route takes them."""

import json
from collections.abc import Mapping
from typing import Any

import click

from omni_router.cli.console import note, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.route_file import RouteFile

SERVED, NONE_SERVED = 0, 1


def run(ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Show what inference providers serve now for a task; for a route, also in which order they are chosen, and why.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.selection import listings
    from omni_router.services import open_catalog, open_evidence, open_history

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    sources = listings.ModelSources(
        policy=file,
        history=open_history(environment, file),
        catalog=open_catalog(environment, hf_token),
        evidence=open_evidence(environment),
        shadow=environment.evidence == "shadow",
    )
    status.begin("asking the Hub for models and providers")
    return print_models(listings.list_models(sources, list_models), as_json=as_json)


def print_models(listing: Mapping[str, Any], *, as_json: bool) -> int:
    """Print a listing of models, with its notes on stderr; return 1 if no provider serves one."""
    status.end()
    if as_json:
        click.echo(json.dumps(listing["models"], indent=2))
    elif listing["models"]:
        from omni_router.cli.model_table import print_table

        print_table(listing["title"], listing["models"])
    for text in listing["notes"]:
        note(text)
    return SERVED if listing["served"] else NONE_SERVED
