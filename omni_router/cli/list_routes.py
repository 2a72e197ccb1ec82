"""`--list-routes`. Nothing heavy is imported here: it answers in a fraction of a second."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from omni_router.cli.console import WIDTH, console, note, print_line, print_wrapped
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.own_providers import OwnProvider
from omni_router.config.route_file import RouteFile
from omni_router.costs import describe_sum
from omni_router.errors import install_command
from omni_router.selection.listings import route_as_json

CORE_PACKAGES = (
    *("langgraph", "langchain-huggingface", "huggingface_hub"),
    *("onnxruntime", "tokenizers", "numpy", "Pillow"),
)
OPTIONAL_PACKAGES = ("torch", "transformers")  # for a checkpoint on this machine, `--router arch`
KEYS = ("id", "first_seen", "last_used", "last_reason", "uses", "cost", "unknown_costs")

LISTED, MISSING = 0, 2


def run(ctx: click.Context, *, as_json: bool, **_: Any) -> int:
    """Show the routes, their models and the versions of packages; return 2 if a package is missing.

    Raises:
        PolicyFileError: the policy is unusable.
    """
    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    models = file.document().models
    routes = [route_as_json(route, models.get(route.name.casefold(), ())) for route in file.routes()]
    where = str(file.path)
    if not file.path.exists():
        where = f"the packaged default ({file.path} does not exist yet)"
    print_routes(routes, where, as_json=as_json)
    if not as_json:
        _print_providers(file.providers())
    missing = [name for name in CORE_PACKAGES if _version(name) is None]
    _print_packages(to_stderr=as_json)
    if not missing:
        return LISTED
    note(f"install what is missing: pip install {' '.join(missing)}")
    return MISSING


def print_routes(routes: Sequence[Mapping[str, Any]], where: str, *, as_json: bool) -> None:
    """Print the routes, which are of the form of `route_as_json`."""
    if as_json:
        click.echo(json.dumps(list(map(_public, routes)), indent=2))
        return
    print_line(f"Routes of {where}\n")
    width = min(console().width, WIDTH)
    for route in routes:
        labels = route["task"]
        if route["fallback"]:
            labels = f"{labels}, the fallback"
        print_line((route["name"], "bold"), f"  [{labels}]")
        print_wrapped(route["description"], indent=4, width=width)
        for name, value in route["parameters"].items():
            print_wrapped(f"{name}: {_parameter(name, value)}", indent=4, width=width)
        for model in route["models"]:
            print_line(f"    - {_describe(model)}")
        if not route["models"]:
            print_line("    - no model used yet")


def _print_providers(providers: Sequence[OwnProvider]) -> None:
    for provider in providers:
        print_line((f"provider {provider.name}", "bold"), f"  {_describe_provider(provider)}")


def _print_packages(*, to_stderr: bool) -> None:
    core = [f"{name} {_version(name) or 'MISSING'}" for name in CORE_PACKAGES]
    click.echo(f"\nPackages: {', '.join(core)}", err=to_stderr)
    optional = [f"{name} {_version(name) or 'not installed'}" for name in OPTIONAL_PACKAGES]
    click.echo(f"For --router arch: {', '.join(optional)}", err=to_stderr)
    if not all(map(_version, OPTIONAL_PACKAGES)):
        click.echo(f"  {install_command('arch')}", err=to_stderr)


def _public(route: Mapping[str, Any]) -> dict[str, Any]:
    """Return a route as --json shows it."""
    models = [{key: model.get(key) for key in KEYS} for model in route["models"]]
    return {
        "name": route["name"],
        "task": route["task"],
        "description": route["description"],
        "models": models,
        "parameters": route["parameters"],
    }


def _parameter(name: str, value: Any) -> str:
    """Return a parameter of a route as text."""
    if name == "only":  # a model has to match a pattern of each group
        return "; and ".join(map(", ".join, value))
    if isinstance(value, list | tuple):
        return ", ".join(value)
    return str(value)


def _describe(model: Mapping[str, Any]) -> str:
    facts = "not used yet"
    if "last_used" in model:
        facts = f"last used {model['last_used']}, {model['uses']} in all"
        if cost := describe_sum(model):
            facts += f", cost {cost}"
    if failure := model.get("last_failure"):
        facts = f"{facts}; last failed {failure['at']}: {failure['kind']}"
    return f"{model['id']}  ({facts})"


def _describe_provider(provider: OwnProvider) -> str:
    if not provider.address:
        return "cannot be used as it is declared: omni-router --check says why"
    facts = [provider.address]
    if provider.key_env:
        facts.append(f"key in {provider.key_env}")
    names = [model.name for model in provider.models] or ["the models that it lists"]
    return f"{', '.join(facts)}: {', '.join(names)}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
