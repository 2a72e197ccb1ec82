"""Drive clients, each in an environment of its own where the tests' has it not, and write docs/reference/clients.md.

python -m tests.clients            # all
python -m tests.clients litellm    # those of this name
python -m tests.clients --quick    # those of the test environment
python -m tests.clients --page     # none: write the page from the last drives
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from tests.clients.drive import Failures, Servers, drive
from tests.clients.environments import environment_of_tests, own_environment
from tests.clients.page import PAGE, read_drives, record, rendered
from tests.clients.registry import CLIENTS, Client


def main() -> int:
    """Drive what is asked for, and return 1 when something fails that the registry does not know of."""
    options = arguments()
    chosen = [client for client in CLIENTS if is_chosen(client, options)]
    surprises = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Servers(Path(folder)) as servers,
        tqdm(chosen, unit="client", disable=not chosen) as bar,
    ):
        for client in bar:
            bar.set_postfix_str(client.key)
            failures = drive_in_place(client, servers, options.environments, Path(folder))
            record(client, [feature for feature, failure in failures.items() if not failure])
            surprises += report(client, failures, bar)
    PAGE.write_text(rendered(read_drives()), encoding="utf-8")
    return 1 if surprises else 0


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description="Drive real clients.")
    names = sorted({client.name for client in CLIENTS})
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="only those that the test environment has")
    parser.add_argument("--page", action="store_true", help="drive none, write the page")
    place = Path(tempfile.gettempdir()) / "omni-router-clients"
    parser.add_argument("--environments", type=Path, default=place, metavar="FOLDER", help=f"by default {place}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"no client is named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options


def is_chosen(client: Client, options: argparse.Namespace) -> bool:
    """Check whether a client is to be driven."""
    if options.page:
        return False
    return (client.quick or not options.quick) and (not options.names or client.name in options.names)


def drive_in_place(client: Client, servers: Servers, environments: Path, folder: Path) -> Failures:
    """Drive a client where its packages are."""
    place = environment_of_tests(folder / "home") if client.quick else own_environment(client, environments)
    return drive(client, servers.address_for(client), place)


def report(client: Client, failures: Failures, bar: "tqdm[Client]") -> int:
    """Print what differs from the registry, and return how many features these are."""
    surprises = 0
    for feature, failure in failures.items():
        if bool(failure) == (feature in client.faults):
            continue
        surprises += 1
        bar.write(f"{client.key}: {feature}: {failure or 'works, but is among the faults of the registry'}")
    return surprises


if __name__ == "__main__":
    sys.exit(main())
