"""Every client that the test environment has, driven against real servers, and the page that says what works."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.clients.drive import Servers, drive
from tests.clients.environments import environment_of_tests
from tests.clients.page import PAGE, read_drives, rendered
from tests.clients.registry import CLIENTS, DRIVERS, EMBEDDINGS, FEATURES, Client

QUICK = [client for client in CLIENTS if client.quick]
HELPERS = {"run_features.py", "shared.py"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("clients")) as servers:
        yield servers


@pytest.mark.enable_socket
@pytest.mark.loopback
@pytest.mark.parametrize("client", QUICK, ids=lambda client: client.key)
def test_a_client_does_what_its_row_says(
    client: Client, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = environment_of_tests(tmp_path_factory.mktemp("home"))
    failures = drive(client, servers.address_for(client), place)
    surprises = [f"{name}: {text}" for name, text in failures.items() if text and name not in client.faults]
    assert not surprises, "\n".join(surprises)
    works = [name for name, text in failures.items() if not text]
    assert works == read_drives()[client.key]["works"], "the page is out of date: python -m tests.clients --quick"


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_clients_agree_on_vectors(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = environment_of_tests(tmp_path_factory.mktemp("home"))
    assert drive(EMBEDDINGS, servers.v1, place, ["embed"]) == {"embed": None}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_each_row_is_a_drive_of_the_version_in_the_registry(client: Client) -> None:
    drives = read_drives()
    assert client.key in drives, f"it was never driven: python -m tests.clients '{client.name}'"
    drive = drives[client.key]
    assert drive["version"] == client.version, f"drive it again: python -m tests.clients '{client.name}'"
    today = date.today()  # noqa: DTZ011
    assert date.fromisoformat(drive["date"]) <= today + timedelta(days=1)  # somebody else's midnight may be earlier


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_there_is_a_reason_for_each_hole(client: Client) -> None:
    works = set(read_drives()[client.key]["works"])
    assert set(FEATURES) - works == {*client.lacks, *client.faults}
    assert not client.lacks.keys() & client.faults.keys()
    assert {*client.lacks, *client.faults, *client.notes} <= set(FEATURES)


def test_the_page_is_what_the_last_drives_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(read_drives()), "python -m tests.clients --page"


def test_each_driver_is_a_row_and_each_row_has_a_driver() -> None:
    drivers = {path.name for path in DRIVERS.iterdir() if path.suffix in {".py", ".mjs"}}
    assert {client.driver for client in (*CLIENTS, EMBEDDINGS)} == drivers - HELPERS


def test_no_two_rows_have_the_same_name() -> None:
    assert len({client.key for client in CLIENTS}) == len(CLIENTS)
