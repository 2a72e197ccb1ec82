"""`--list-models`: what inference providers serve now for a task, and in which order a route takes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from omni_router.cli.console import UNLIMITED, console, note, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError, missing_package
from omni_router.tasks import TASKS

SERVED, NONE_SERVED = 0, 1


def run(
    ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, plot: Path | None, **_: Any
) -> int:
    """Show what inference providers serve now for a task; for a route, also in which order they are chosen, and why.

    Raises:
        ConfigurationError: there is no such task or route, or nothing that could be drawn.
    """
    from omni_router.selection import listings
    from omni_router.services import open_evidence, open_history, open_joined_catalog

    check_plot(plot, list_models)
    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    sources = listings.ModelSources(
        policy=file,
        history=open_history(environment, file),
        catalog=open_joined_catalog(environment, hf_token, file.providers),
        evidence=open_evidence(environment),
        shadow=environment.evidence == "shadow",
        prefer=environment.prefer,
    )
    status.begin("asking for models and providers")
    return print_models(listings.list_models(sources, list_models), as_json=as_json, plot=plot)


def check_plot(plot: Path | None, name: str) -> None:
    """Check that what is to be drawn is not a task.

    Raises:
        ConfigurationError: it is one.
    """
    if plot is not None and name.strip().casefold() in TASKS:
        raise ConfigurationError(f"--plot needs a route, such as --list-routes shows, not a task such as {name}")


def print_models(listing: Mapping[str, Any], *, as_json: bool, plot: Path | None = None) -> int:
    """Print a listing of models, with its notes on stderr, and draw it; return 1 if no provider serves one.

    Args:
        listing: of the form of `selection.listings.list_models`.
        as_json: whether its models are printed as JSON.
        plot: the file to draw into.

    Raises:
        ConfigurationError: there is nothing that could be drawn.
    """
    status.end()
    if as_json:
        click.echo(json.dumps(listing["models"], indent=2))
    elif listing["models"]:
        _print_tables(listing["title"], listing["models"], listing["prefer"])
    for text in listing["notes"]:
        note(text)
    if plot:
        _draw(listing["title"], listing["models"], plot)
    return SERVED if listing["served"] else NONE_SERVED


def _print_tables(title: str, models: Sequence[Mapping[str, Any]], prefer: str | float | None) -> None:
    """Print the models of a task, or of a route, which prefers something; a pipe has a line for each provider, too."""
    from omni_router.cli.model_table import NUMBERS, print_table
    from omni_router.cli.ranking_table import print_legend, print_ranking

    if prefer is not None and console().width < UNLIMITED:
        print_ranking(title, models, prefer)
        return
    print_table(title, models)
    if prefer is not None and any(model["ranking"] for model in models):
        print_legend(NUMBERS, prefer, UNLIMITED)


def _draw(title: str, models: Sequence[Mapping[str, Any]], path: Path) -> None:
    from omni_router.evaluation.served_plot import ServedModel, draw_served

    ranked = [(model["id"], model["ranking"]) for model in models if model["ranking"]]
    served = [ServedModel(name, ranking["quality"], ranking["price"]) for name, ranking in ranked]
    if all(model.price is None for model in served):
        raise ConfigurationError(f"{path}: nothing to draw: quality and price are known of no model of the {title}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_served(f"Quality against price: {title}", served, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error}") from error
    if not drawn:
        raise missing_package(f"{path}: --plot needs matplotlib", "eval")
