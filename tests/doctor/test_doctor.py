"""`omni-router doctor` on the sandbox: all is well there, and each difference and each failure is found."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from omni_router._sandbox import SANDBOX_TOKEN, Offer, Sandbox
from omni_router._sandbox.boards import ARENA, ARENA_HOST, ARENA_PATH, BOARDS
from omni_router._sandbox.hub import PROVIDERS_PERMISSION
from omni_router._sandbox.models import ROUTER_CHECKPOINT
from omni_router.cli import main
from omni_router.doctor import expected_answers as answers
from omni_router.doctor.checks import CHECKS
from omni_router.doctor.model_calls import MAX_COST
from omni_router.doctor.shapes import Comparison, Shape
from omni_router.hub.listing import served_models
from tests.support.postgres import postgresql

WHO, MODELS, ROUTER = "/api/whoami-v2", "/api/models", "/v1/models"
BENCHMARKS, BOARD = "/api/datasets", "/api/datasets/SWE-bench/SWE-bench_Verified/leaderboard"
CHAT, CHECKPOINT = "/v1/chat/completions", f"/api/models/{ROUTER_CHECKPOINT}"

Capture = pytest.CaptureFixture[str]
Change = Callable[[Any], Any]


def report(capsys: Capture, *flags: str, status: int = 0) -> dict[str, Any]:
    assert main(["doctor", "--json", *flags]) == status
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    return body


def checks(capsys: Capture, *flags: str, status: int = 0) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in report(capsys, *flags, status=status)["checks"]}


def statuses(capsys: Capture, *flags: str, status: int = 0) -> dict[str, str]:
    return {name: check["status"] for name, check in checks(capsys, *flags, status=status).items()}


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the one check that takes a while, where others are meant."""
    monkeypatch.setattr("omni_router.doctor.checks.CHECKS", [check for check in CHECKS if check.name != "encoder"])


# --- all is well -----------------------------------------------------------------------------------------------------


def test_the_sandbox_is_as_expected_and_costs_less_than_a_cent(sandbox: Sandbox, capsys: Capture) -> None:
    body = report(capsys)
    found = {check["name"]: check["status"] for check in body["checks"]}
    assert {name for name, status in found.items() if status != "ok"} == {"image", "database"}
    assert [check["name"] for check in body["checks"]] == [check.name for check in CHECKS]
    assert body["simulated"] is True
    assert 0 < body["cost"] < MAX_COST
    assert all(check["new_fields"] == [] for check in body["checks"])


def test_the_cost_of_the_chat_can_be_recomputed_from_the_cheapest_offer(sandbox: Sandbox, capsys: Capture) -> None:
    cheapest = Offer("novita", input_price=0.001, output_price=0.002)
    sandbox.offer("sandbox/text-generation-2", Offer("together"), cheapest)
    chat = checks(capsys)["chat"]
    record = next(record for record in sandbox.requests if record.path == CHAT)
    assert (record.model, record.provider) == ("sandbox/text-generation-2", "novita")
    assert record.parameters["max_tokens"] == 16
    assert record.parameters["stream"] is True
    assert chat["summary"].startswith("sandbox/text-generation-2 at novita: ")
    with huggingface_hub.InferenceClient(api_key=SANDBOX_TOKEN) as client:
        question = [{"role": "user", "content": "Say hello."}]
        usage = client.chat_completion(question, model=f"{record.model}:novita", max_tokens=16).usage
    assert chat["cost"] == pytest.approx(cheapest.cost(usage.prompt_tokens, usage.completion_tokens))
    assert chat["cost"] > 0


def test_nothing_is_called_that_would_cost_more_than_a_cent(sandbox: Sandbox, capsys: Capture) -> None:
    for model in sandbox.models():
        if model.startswith(("sandbox/text-generation", "sandbox/image-text")):
            sandbox.offer(model, Offer("novita", input_price=400.0, output_price=400.0))
    assert checks(capsys)["chat"]["status"] == "skipped"
    assert CHAT not in {record.path for record in sandbox.requests}


def test_an_image_is_generated_only_when_asked_for(sandbox: Sandbox, capsys: Capture) -> None:
    assert checks(capsys)["image"]["status"] == "skipped"
    image = checks(capsys, "--full")["image"]
    assert image["status"] == "ok"
    assert "sandbox/text-to-image-1 at hf-inference" in image["summary"]


def test_each_question_is_asked_once(sandbox: Sandbox, capsys: Capture) -> None:
    report(capsys)
    asked = [record.path for record in sandbox.requests]
    assert sorted(asked) == sorted([WHO, MODELS, ROUTER, BENCHMARKS, BOARD, ARENA_PATH, CHAT, CHECKPOINT])


def test_the_hub_is_asked_as_the_catalog_asks_it(sandbox: Sandbox, capsys: Capture) -> None:
    report(capsys)
    by_doctor = next(record.query for record in sandbox.requests if record.path == MODELS)
    served_models("text-generation", None, 5.0)
    assert sandbox.requests[-1].query == by_doctor


def test_a_model_that_thinks_first_has_no_text_within_16_tokens_and_that_is_well(
    sandbox: Sandbox, capsys: Capture
) -> None:
    def think(event: dict[str, Any]) -> dict[str, Any]:
        for choice in event["choices"]:
            choice["delta"] = {"role": "assistant", "reasoning_content": choice["delta"]["content"], "content": ""}
        return event

    sandbox.bend(CHAT, think)
    chat = checks(capsys)["chat"]
    assert (chat["status"], chat["differences"]) == ("ok", [])
    assert "no text, as of a model that thinks first" in chat["summary"]


# --- what is expected is what the sandbox simulates ------------------------------------------------------------------


def compare(url: str, shape: Shape, **params: Any) -> Comparison:
    headers = {"authorization": f"Bearer {SANDBOX_TOKEN}"}
    response = huggingface_hub.get_session().get(url, params=params, headers=headers)
    comparison = Comparison()
    shape.compare(response.json(), "", comparison)
    return comparison


def test_every_answer_of_the_sandbox_has_the_shape_that_is_expected_of_the_real_ones(sandbox: Sandbox) -> None:
    hub = "https://huggingface.co"
    boards = [f"{hub}{BENCHMARKS}/{name}/leaderboard" for name in BOARDS]
    comparisons = [compare(url, answers.BOARD, base_model="false") for url in boards]
    comparisons.append(compare(f"https://router.huggingface.co{ROUTER}", answers.ROUTER_MODELS))
    for config in ("text_style_control", "vision_style_control", "text_to_image", "image_edit"):
        query = {"dataset": ARENA, "config": config, "split": "latest"}
        comparisons.append(compare(f"https://{ARENA_HOST}{ARENA_PATH}", answers.ARENA, **query))
    assert len(comparisons) > 10
    for comparison in comparisons:
        assert (comparison.differences, comparison.new_fields) == ([], set())


# --- what differs ----------------------------------------------------------------------------------------------------


def without(body: Any, *path: str) -> Any:
    """Return JSON without the key at the end of a path; [] goes into each item."""
    key, *rest = path
    if key == "[]":
        return [without(item, *rest) for item in body]
    if not rest:
        return {name: value for name, value in body.items() if name != key}
    return {**body, key: without(body[key], *rest)} if key in body else body


def having(body: Any, value: Any, *path: str) -> Any:
    """Return JSON with another value at the end of a path."""
    key, *rest = path
    if key == "[]":
        return [having(item, value, *rest) if rest else value for item in body]
    return {**body, key: having(body[key], value, *rest) if rest else value}


REMOVED = [
    ("token", WHO, ("auth",)),
    ("token", WHO, ("auth", "accessToken", "role")),
    ("models", MODELS, ("[]", "id")),
    ("models", MODELS, ("[]", "inferenceProviderMapping")),
    ("models", MODELS, ("[]", "inferenceProviderMapping", "[]", "status")),
    ("models", MODELS, ("[]", "gated")),
    ("router", ROUTER, ("data",)),
    ("router", ROUTER, ("data", "[]", "id")),
    ("router", ROUTER, ("data", "[]", "providers")),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "provider")),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "pricing", "output")),
    ("benchmarks", BENCHMARKS, ("[]", "id")),
    ("board", BOARD, ("[]", "modelId")),
    ("board", BOARD, ("[]", "value")),
    ("arena", ARENA_PATH, ("rows",)),
    ("arena", ARENA_PATH, ("rows", "[]", "row", "rating")),
    ("arena", ARENA_PATH, ("rows", "[]", "row", "leaderboard_publish_date")),
    ("chat", CHAT, ("choices",)),
    ("checkpoint", CHECKPOINT, ("siblings",)),
]
REPLACED = [
    ("token", WHO, ("auth", "accessToken", "role"), 7, "text"),
    ("models", MODELS, ("[]", "inferenceProviderMapping", "[]", "status"), "resting", "live or staging or error"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "context_length"), "long", "a number from 1 to 1e+09"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "context_length"), -1, "a number from 1 to 1e+09"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "pricing", "input"), 1e30, "a number from 0 to 100000"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "throughput"), True, "a number from 0 to 1e+06"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "supports_tools"), "yes", "true or false"),
    ("router", ROUTER, ("data", "[]", "providers", "[]", "is_free"), None, "true or false"),
    ("board", BOARD, ("[]", "value"), "78.2 %", "a number from -1e+09 to 1e+12"),
    ("arena", ARENA_PATH, ("rows", "[]", "row", "vote_count"), "many", "a number from 0 to 1e+12"),
    ("chat", CHAT, ("id",), 7, "text"),
    ("checkpoint", CHECKPOINT, ("gated",), "perhaps", "true or false, or auto or manual"),
]


def field_of(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[]", "[]")


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize(("check", "path", "keys"), REMOVED)
def test_a_field_that_is_gone_is_named(
    check: str, path: str, keys: tuple[str, ...], sandbox: Sandbox, capsys: Capture
) -> None:
    sandbox.bend(path, lambda body: without(body, *keys))
    result = checks(capsys, status=1)[check]
    assert result["status"] == "differs"
    missing = {difference["field"] for difference in result["differences"] if difference["found"] == "missing"}
    assert field_of(keys) in missing
    assert "omni-router doctor --json" in result["advice"]


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize("case", REPLACED)
def test_a_field_of_another_kind_is_named_with_what_was_expected(
    case: tuple[str, str, tuple[str, ...], Any, str], sandbox: Sandbox, capsys: Capture
) -> None:
    check, path, keys, value, expected = case
    sandbox.bend(path, lambda body: having(body, value, *keys))
    result = checks(capsys, status=1)[check]
    assert result["status"] == "differs"
    assert (field_of(keys), expected) in {(each["field"], each["expected"]) for each in result["differences"]}


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize(
    ("check", "path"),
    [("models", MODELS), ("router", ROUTER), ("benchmarks", BENCHMARKS), ("board", BOARD), ("arena", ARENA_PATH)],
)
@pytest.mark.parametrize("body", [None, [], {}, "text", 7])
def test_an_answer_of_quite_another_form_is_found_and_ends_nothing(
    check: str, path: str, body: Any, sandbox: Sandbox, capsys: Capture
) -> None:
    sandbox.bend(path, lambda _body: body)
    results = checks(capsys, status=1)
    assert results[check]["status"] == "differs"
    assert results["disk"]["status"] == "ok"


def test_new_fields_are_named_and_are_well(sandbox: Sandbox, capsys: Capture) -> None:
    sandbox.bend(ROUTER, lambda body: {**body, "next": None})
    router = checks(capsys)["router"]
    assert (router["status"], router["new_fields"]) == ("ok", ["next"])


def test_a_stream_without_usage_or_the_name_of_its_provider_is_found(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.bend(CHAT, lambda event: without(event, "usage"))
    differences = checks(capsys, status=1)["chat"]["differences"]
    assert [difference["field"] for difference in differences] == ["usage"]
    sandbox.bend(CHAT, lambda event: event)
    monkeypatch.setattr("omni_router.doctor.model_calls._PROVIDER_HEADER", "x-another-name")
    (difference,) = checks(capsys, status=1)["chat"]["differences"]
    assert difference["field"] == "the header x-another-name"


# --- what fails ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize(
    ("fault", "summary", "advice"),
    [
        ("payment_402", "payment: HTTP 402", "huggingface.co/settings/billing"),
        ("token_403", "token: HTTP 403", "Make calls to Inference Providers"),
        ("rate_limited_429", "rate_limited: HTTP 429", "Wait five minutes"),
        ("overloaded_503", "overloaded: HTTP 503", "status.huggingface.co"),
        ("read_timeout", "timeout: ReadTimeout", "Try again"),
        ("refused_connection", "connection: ConnectError", "HTTPS_PROXY"),
        ("model_not_supported", "not_found: HTTP 400", "moved or renamed"),
        ("html_body", "malformed_answer", "omni-router doctor --json"),
        ("content_filter", "refused", "omni-router doctor --json"),
    ],
)
def test_a_chat_that_fails_says_why_and_what_to_do(
    fault: str, summary: str, advice: str, sandbox: Sandbox, capsys: Capture
) -> None:
    sandbox.fail(fault)
    chat = checks(capsys, status=1)["chat"]
    assert chat["status"] == "failed"
    assert chat["summary"].startswith(summary)
    assert advice in chat["advice"]


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize("fault", ["stream_cut", "stream_error_frame", "null_content", "no_choices"])
def test_a_stream_that_breaks_off_or_holds_nothing_is_no_success(fault: str, sandbox: Sandbox, capsys: Capture) -> None:
    sandbox.fail(fault)
    assert checks(capsys, status=1)["chat"]["status"] in ("failed", "differs")


@pytest.mark.parametrize(
    ("fault", "cause", "advice"),
    [
        ("hub_503", "overloaded (HTTP 503)", "outages"),
        ("hub_timeout", "timeout (ReadTimeout)", "Try again"),
        ("hub_refused_connection", "connection (ConnectError)", "HF_HUB_OFFLINE"),
    ],
)
def test_a_hub_that_is_down_fails_what_asks_it(
    fault: str, cause: str, advice: str, sandbox: Sandbox, capsys: Capture
) -> None:
    sandbox.fail(fault, times=100)
    results = checks(capsys, status=1)
    for name in ("token", "models", "router", "benchmarks", "checkpoint"):
        assert (results[name]["status"], results[name]["summary"]) == ("failed", cause), name
        assert advice in results[name]["advice"]
    assert (results["board"]["status"], results["chat"]["status"]) == ("skipped", "skipped")
    assert results["arena"]["status"] == results["encoder"]["status"] == "ok"


def test_arena_that_is_away_fails_alone(sandbox: Sandbox, capsys: Capture) -> None:
    sandbox.fail("web_404")
    found = statuses(capsys, status=1)
    assert {name for name, status in found.items() if status not in ("ok", "skipped")} == {"arena"}


def test_a_wrong_token_is_refused(sandbox: Sandbox, capsys: Capture) -> None:
    results = checks(capsys, "--hf-token", "hf_wrong", status=1)
    assert (results["token"]["status"], results["token"]["summary"]) == ("failed", "token (HTTP 401)")
    assert results["chat"]["summary"].startswith("token: HTTP 401")


def test_a_key_of_another_service_is_not_sent_to_the_hub(sandbox: Sandbox, capsys: Capture) -> None:
    token = checks(capsys, "--hf-token", "sk-other", status=1)["token"]
    assert "starts with hf_" in token["summary"]
    assert WHO not in {record.path for record in sandbox.requests}


def test_without_a_token_the_public_lists_are_asked_all_the_same(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.hub.tokens.find_token", lambda _token: None)
    found = statuses(capsys, status=1)
    assert (found["token"], found["chat"]) == ("failed", "skipped")
    assert found["models"] == found["router"] == found["board"] == "ok"


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize(
    ("access", "status", "words"),
    [
        ({"role": "read"}, "ok", "the role read, which may call"),
        ({"role": "fineGrained", "fineGrained": {"scoped": [], "global": [PROVIDERS_PERMISSION]}}, "ok", "may call"),
        ({"role": "fineGrained", "fineGrained": {"scoped": [], "global": []}}, "failed", "may not call"),
    ],
)
def test_what_a_token_permits_is_read(
    access: dict[str, Any], status: str, words: str, sandbox: Sandbox, capsys: Capture
) -> None:
    sandbox.bend(WHO, lambda body: {**body, "auth": {"type": "access_token", "accessToken": access}})
    token = checks(capsys, status=int(status != "ok"))["token"]
    assert token["status"] == status
    assert words in token["summary"]


def test_a_gated_checkpoint_without_access_says_where_to_accept(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.gate(ROUTER_CHECKPOINT)
    checkpoint = checks(capsys, status=1)["checkpoint"]
    assert "gated" in checkpoint["summary"]
    assert f"https://huggingface.co/{ROUTER_CHECKPOINT}" in checkpoint["advice"]
    missing = checks(capsys, "--router-model", "nobody/nothing", "--router", "arch", status=1)["checkpoint"]
    assert missing["status"] == "failed"
    monkeypatch.setenv("OMNI_ROUTER_MODEL", "not a model")
    assert "neither a folder nor" in checks(capsys, "--router", "arch", status=1)["checkpoint"]["summary"]


# --- this machine ----------------------------------------------------------------------------------------------------


def test_an_encoder_that_is_not_there_fails_with_the_remedy(
    sandbox: Sandbox, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("OMNI_ENCODER", str(tmp_path / "empty"))
    assert checks(capsys, status=1)["encoder"]["status"] == "failed"


def test_a_damaged_cache_is_found(
    sandbox: Sandbox, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_CACHE_DIR", str(tmp_path / "cache"))
    report(capsys)
    (tmp_path / "cache").mkdir(exist_ok=True)
    with sqlite3.connect(tmp_path / "cache" / "heads.sqlite") as database:
        database.execute("CREATE TABLE heads (key TEXT)")
    database.close()
    assert "1 files" in checks(capsys)["caches"]["summary"]
    (tmp_path / "cache" / "catalog.sqlite").write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    caches = checks(capsys, status=1)["caches"]
    assert caches["summary"] == "damaged: catalog.sqlite"
    assert "Delete" in caches["advice"]


def test_a_folder_that_cannot_be_written_is_named(
    sandbox: Sandbox, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("OMNI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("OMNI_OUTPUT_DIR", str(tmp_path / "file" / "images"))
    results = checks(capsys, status=1)
    assert "OMNI_CACHE_DIR" in results["caches"]["advice"]
    assert results["disk"]["summary"].startswith("cannot be written: ")
    assert "images" in results["disk"]["summary"]


def test_a_full_disk_is_found(sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage._replace(free=12_000_000))
    disk = checks(capsys, status=1)["disk"]
    assert (disk["status"], disk["summary"]) == ("failed", "only 12 MB are free")


def test_a_database_that_does_not_answer_is_named_without_its_address(sandbox: Sandbox, capsys: Capture) -> None:
    address = "postgresql://somebody:secret@127.0.0.1:1/history"
    assert main(["doctor", "--json", "--history", address]) == 1
    output = capsys.readouterr().out
    assert "PostgreSQL does not answer" in output
    assert not any(word in output for word in ("secret", "somebody", "127.0.0.1"))


def test_a_database_that_answers_is_well(sandbox: Sandbox, capsys: Capture) -> None:
    with postgresql() as address:
        database = checks(capsys, "--history", address)["database"]
    assert (database["status"], database["summary"]) == ("ok", "PostgreSQL answers")


# --- the report ------------------------------------------------------------------------------------------------------


def test_a_report_holds_no_secrets_and_no_path_of_a_home(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OMNI_CACHE_DIR", str(tmp_path / "cache"))
    sandbox.bend(WHO, lambda body: {**body, "name": "jane", "email": "jane@example.org", "auth": {"type": 7}})
    sandbox.bend(ROUTER, lambda body: {**body, "object": "hf_abcdefgh"})
    for flags in (["--json"], []):
        assert main(["doctor", "--hf-token", "hf_topsecret", *flags]) == 1
        output = capsys.readouterr().out
        for word in ("topsecret", "jane", str(tmp_path), "hf_abcdefgh"):
            assert word not in output
        assert "auth.type" in output


def test_the_text_names_what_differs_and_what_to_do(sandbox: Sandbox, capsys: Capture) -> None:
    sandbox.bend(BOARD, lambda body: having(body, "high", "[]", "value"))
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "differs board       SWE-bench/SWE-bench_Verified: 4 rows of 4 models" in lines
    assert any("[].value: expected a number" in line and "'high' (4 times)" in line for line in lines)
    assert lines[-1].startswith(f"Not as expected: board. {len(CHECKS)} questions in ")
    assert lines[-1].endswith("answered by the sandbox.")
    sandbox.bend(BOARD, lambda body: body)
    assert main(["doctor"]) == 0
    assert "All is as expected." in capsys.readouterr().out
