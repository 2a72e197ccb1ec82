"""Users of /v1 with keys of their own: who is let in, how often, for how much money, and what is counted."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router.cli.new_key import command
from omni_router.cli.serve import _print_address
from omni_router.errors import ConfigurationError
from omni_router.server.openai.guard import Limits
from omni_router.server.openai.users import RateLimits, UserFile, hash_of, read_rate, read_users
from tests.support.observing import parse
from tests.support.openai_server import TEXT, openai_server, wait_for
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
FORBIDDEN = "a key of nobody"


@pytest.fixture(autouse=True)
def chosen(router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMNI_USERS", str(tmp_path / "users.json"))
    return tmp_path / "users.json"


def add(name: str, *flags: str) -> str:
    """Add a user with the command, and return the key that it prints."""
    run = CliRunner().invoke(command, [name, *flags])
    assert run.exit_code == 0, run.output
    return run.stdout.strip().splitlines()[-1]


@pytest.fixture
def ada(file: Path) -> str:
    return add("ada")


@pytest.fixture
def url(ada: str, services: Services) -> Iterator[str]:
    with openai_server(services) as address:
        yield address


def embed(url: str, key: str) -> Any:
    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        return client.embeddings.create(model="omni", input="tides")


def ask(url: str, key: str) -> Any:
    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        return client.chat.completions.create(model="omni", messages=QUESTION)


def stream(url: str, key: str) -> Sequence[Any]:
    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        return list(client.chat.completions.create(model="omni", messages=QUESTION, stream=True))


def write(file: Path, *entries: Any) -> Path:
    file.write_text(json.dumps(entries))
    return file


def test_the_file_has_the_hash_of_a_key_and_not_the_key(file: Path, ada: str) -> None:
    assert ada.startswith("omni-")
    assert ada not in file.read_text()
    assert json.loads(file.read_text()) == [{"name": "ada", "sha256": hash_of(ada)}]
    assert ada not in repr(Limits.read({"OMNI_USERS": str(file)}).users)


def test_a_user_is_let_in_with_either_header_and_nobody_else(url: str, ada: str) -> None:
    for headers in ({"authorization": f"Bearer {ada}"}, {"x-api-key": ada}):
        assert httpx.get(f"{url}/models", headers=headers).status_code == 200
    for headers in ({}, {"authorization": f"Bearer {FORBIDDEN}"}, {"authorization": f"Bearer {hash_of(ada)}"}):
        assert httpx.get(f"{url}/models", headers=headers).json()["error"]["code"] == "invalid_api_key"


def test_the_key_of_the_server_holds_beside_them(ada: str, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_API_KEY", "the server's")
    with openai_server(services) as url:
        assert ask(url, "the server's").choices
        assert ask(url, ada).choices


def test_a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing(
    url: str, ada: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grace = add("grace")
    assert ask(url, grace).choices
    before = file.read_text()
    with caplog.at_level(logging.WARNING, "omni_router"):
        file.write_text("[{")
        assert ask(url, ada).choices
        assert "the users are those of before" in caplog.text
    write(file, json.loads(before)[1])  # ada is gone
    with pytest.raises(openai.AuthenticationError):
        ask(url, ada)
    assert ask(url, grace).choices


def test_a_user_who_asks_too_often_is_told_when_to_come_back(file: Path, services: Services) -> None:
    hasty, patient = add("hasty", "--rate", "2/hour"), add("patient")
    with openai_server(services) as url:
        for _ in range(2):
            assert ask(url, hasty).choices
        with pytest.raises(
            openai.RateLimitError, match="hasty may send no more requests now: the rate is 2/hour"
        ) as limited:
            ask(url, hasty)
        assert 0 < int(limited.value.response.headers["retry-after"]) <= 1800
        assert ask(url, patient).choices


def test_the_log_says_why_nobody_was_let_in(file: Path, services: Services) -> None:
    hasty, lines = add("hasty", "--rate", "1/hour"), list[str]()
    with openai_server(services, log=lines) as url:
        for key in (hasty, hasty, FORBIDDEN):
            httpx.post(f"{url}/chat/completions", json={"messages": QUESTION}, headers={"x-api-key": key})
        wait_for(lambda: len(lines) == 3)
    assert [line.split("  ")[-1] for line in lines[1:]] == ["rate_limit_exceeded", "invalid_api_key"]
    assert hasty not in "".join(lines)


def test_a_rate_comes_back_with_time(tmp_path: Path) -> None:
    entry = {"name": "ada", "sha256": hash_of("key"), "rate": "60/minute"}
    [user] = read_users(write(tmp_path / "users.json", entry)).values()
    rates = RateLimits()
    waits = [rates.take(user, now=0.0) for _ in range(61)]
    assert waits == [0.0] * 60 + [pytest.approx(1.0)]
    assert rates.take(user, now=1.0) == 0.0
    assert rates.take(user, now=1.0) == pytest.approx(1.0)
    assert [rates.take(user, now=7200.0) for _ in range(61)].count(0.0) == 60


@pytest.mark.parametrize("send", [ask, stream])
def test_a_user_whose_budget_is_spent_gets_402_and_others_do_not(
    send: Any, file: Path, services: Services, sandbox: Sandbox
) -> None:
    spender, saver = add("spender", "--budget", "0.000001/day"), add("saver", "--budget", "1/day")
    with openai_server(services) as url:
        send(url, spender)
        with pytest.raises(openai.APIStatusError, match=r"spender has spent \$0\.\d+ of \$0\.000001 today") as spent:
            send(url, spender)
        assert spent.value.status_code == 402
        assert send(url, saver)
    with openai_server(services) as url, pytest.raises(openai.APIStatusError, match="has spent"):
        send(url, spender)  # after a restart


def test_a_spent_budget_holds_for_vectors_too(file: Path, services: Services) -> None:
    key = add("ada", "--budget", "0.000001/day")
    with openai_server(services) as url:
        assert embed(url, key).data
        ask(url, key)
        with pytest.raises(openai.APIStatusError, match="ada has spent") as spent:
            embed(url, key)
    assert spent.value.status_code == 402


def test_near_the_limit_the_cheapest_provider_is_preferred(file: Path, services: Services) -> None:
    key = add("ada", "--budget", "1/day")
    with openai_server(services) as url:
        assert ask(url, key).omni["prefer"] != "cheapest"
        [ledger] = Path.cwd().rglob(".*.spending.ada")
        account = json.loads(ledger.read_text())
        ledger.write_text(json.dumps({**account, "spent": 0.85}))
        assert ask(url, key).omni["prefer"] == "cheapest"


def test_requests_tokens_and_costs_are_counted_by_name(
    file: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_METRICS", "1")
    key = add("metered", "--rate", "1/day")
    with openai_server(services) as url:
        ask(url, key)
        with pytest.raises(openai.RateLimitError):
            ask(url, key)
        text = httpx.get(f"{url.removesuffix('/v1')}/omni/metrics").text
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in parse(text)}
    user = ("user", "metered")
    assert samples["omni_user_requests_total", (("status", "200"), user)] == 1
    assert samples["omni_user_requests_total", (("status", "429"), user)] == 1
    assert samples["omni_user_tokens_total", (("type", "output"), user)] > 0
    assert samples["omni_user_cost_usd_total", (user,)] > 0
    assert key not in text


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "must be a JSON array of users"),
        ([1], "a user is an object with the keys name, sha256, rate, budget"),
        ([{"name": "ada", "sha256": hash_of("a"), "key": "a"}], "a user is an object with the keys"),
        ([{"name": "a/da", "sha256": hash_of("a")}], "the name of a user is 'a/da'"),
        ([{"name": "ada", "sha256": "abc"}], "sha256 of user ada must be the 64 hexadecimal digits"),
        ([{"name": "ada", "sha256": hash_of("a"), "rate": "many"}], "user ada: rate is 'many'; allowed are 60/second"),
        ([{"name": "ada", "sha256": hash_of("a"), "budget": "5"}], "user ada: budget is '5'; allowed are US dollars"),
        ([{"name": "ada", "sha256": hash_of("a")}] * 2, "two users have the same name or the same key"),
    ],
)
def test_a_file_that_is_not_allowed_says_what_is(entries: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ConfigurationError, match=message) as refused:
        UserFile(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"users\.json cannot be read"):
        Limits.read({"OMNI_USERS": str(tmp_path / "users.json")})


@pytest.mark.parametrize(
    "rate", ["0/minute", "-1/minute", "1.5/minute", "60", "60/", "60/week", f"{10**400}/day", "٦/day"]
)
def test_rates_that_are_not_allowed(rate: str) -> None:
    with pytest.raises(ValueError, match="allowed are"):
        read_rate(rate)


def test_the_command_names_a_user_who_is_there_already(file: Path) -> None:
    add("ada")
    output = str(CliRunner().invoke(command, ["ada"]).exception)
    assert output == f"{file} has a user 'ada' already: delete its entry, or choose another name"


@pytest.mark.parametrize(("key", "sent"), [(None, "THE_KEY_OF_A_USER"), ("a-key", "$OMNI_API_KEY")])
def test_the_line_to_try_has_a_key_that_the_server_accepts(
    file: Path, ada: str, key: str | None, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_address("0.0.0.0", 8080, Limits(key, UserFile(file)))  # noqa: S104 (printed, not bound)
    printed = capsys.readouterr().out
    assert sent in printed
    assert ada not in printed


@pytest.mark.parametrize("flags", [("--rate", "x"), ("--budget", "x"), ()])
def test_the_command_leaves_the_file_as_it_was_when_something_is_wrong(flags: tuple[str, ...], file: Path) -> None:
    add("ada")
    before = file.read_text()
    run = CliRunner().invoke(command, ["ada", *flags])
    assert run.exit_code != 0
    assert file.read_text() == before
