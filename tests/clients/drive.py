"""Drive a client through its features, against servers on this machine."""

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from tests.clients.drivers.run_features import MARK
from tests.clients.environments import Place
from tests.clients.registry import ON_THE_LANGGRAPH_SERVER, Client
from tests.support.api_server import serving
from tests.support.dev_server import dev_server

SECONDS = 120.0  # one feature may take
Failures = dict[str, str | None]  # by feature; None: it works


class Servers(ExitStack):
    """The servers that clients are driven against, each started when the first client needs it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def address_for(self, client: Client) -> str:
        """Return the address that a driver gets."""
        if client.interface == "in process":
            return "-"
        if client.interface in ON_THE_LANGGRAPH_SERVER:
            return self.langgraph
        return self.v1

    @cached_property
    def v1(self) -> str:
        """The base URL of `omni-router serve --sandbox`."""
        address, _ = self.enter_context(serving(self._subfolder("v1"), "--sandbox"))
        return address

    @cached_property
    def langgraph(self) -> str:
        """The address of a LangGraph server, with MCP and A2A mounted in it."""
        return self.enter_context(dev_server(self._subfolder("langgraph")))

    def _subfolder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True)
        return folder


def drive(client: Client, address: str, place: Place, features: Sequence[str] = ()) -> Failures:
    """Return what went wrong with each feature, by default with those that a client offers."""
    features = features or client.features
    driver = place.drivers / client.driver
    if driver.suffix == ".mjs":
        return {feature: _javascript(driver, address, feature, place) for feature in features}
    command = [str(place.python), str(place.drivers / "run_features.py"), str(driver), address, *features]
    output, rest = _run(command, place, SECONDS * len(features))
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    reports = [json.loads(line) for line in lines]
    unreported: Failures = dict.fromkeys(features, f"the driver ended before: {rest or output}")
    return {**unreported, **{report["feature"]: report["failure"] for report in reports}}


def _javascript(driver: Path, address: str, feature: str, place: Place) -> str | None:
    output, failure = _run(["node", str(driver), address, feature], place, SECONDS)
    return failure and f"{failure}\n{output}"


def _run(command: list[str], place: Place, seconds: float) -> tuple[str, str | None]:
    """Return what a program prints, and how it failed if it did."""
    try:
        done = subprocess.run(
            command,
            cwd=place.variables["HOME"],
            env=place.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return str(late.stdout or ""), f"it took longer than {seconds:g} s"
    return done.stdout, (f"status {done.returncode}: {done.stderr}" if done.returncode else None)
