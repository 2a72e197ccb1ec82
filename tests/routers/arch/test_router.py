import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omni_router.errors import ConfigurationError
from omni_router.model_id import is_model_id
from omni_router.routers import Proposal, Turn, parse_reply
from omni_router.routers.arch import checkpoint
from omni_router.routers.arch.checkpoint import load_checkpoint, pick_device, pick_dtype
from omni_router.routers.arch.router import ArchRouter
from omni_router.routers.budget import fit
from omni_router.routers.conversation import ELLIPSIS
from tests.support.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES, Answer, expected_reply

WITHOUT_CANDIDATES = tuple(replace(route, candidates=()) for route in TINY_ROUTES)


def ask(text: str) -> list[Turn]:
    return [Turn(role="user", content=text)]


@pytest.fixture(scope="session")
def router(tiny_checkpoint: Path) -> ArchRouter:
    return ArchRouter(str(tiny_checkpoint), reason_tokens=32)


@pytest.mark.parametrize(("prompt", "answer"), TINY_PAIRS.items(), ids=TINY_PAIRS)
def test_a_real_checkpoint_answers_exact_json(router: ArchRouter, prompt: str, answer: Answer) -> None:
    reply = router.reply(ask(prompt), TINY_ROUTES)
    assert reply.text == expected_reply(answer)
    assert reply.confidence is not None
    assert reply.confidence > 0.8
    assert parse_reply(reply.text) == Proposal(*answer)


def test_without_candidates_no_model_is_named_though_the_checkpoint_would(router: ArchRouter) -> None:
    for prompt, (route, _, _) in TINY_PAIRS.items():
        reply = parse_reply(router.reply(ask(prompt), WITHOUT_CANDIDATES).text)
        assert (reply.route, reply.model) == (route, None)


def test_with_new_ids_the_checkpoint_writes_the_model_it_wants(tiny_checkpoint: Path) -> None:
    free = ArchRouter(str(tiny_checkpoint), new_ids=True, reason_tokens=32)
    for prompt, answer in TINY_PAIRS.items():
        assert free.reply(ask(prompt), WITHOUT_CANDIDATES).text == expected_reply(answer)


@pytest.mark.parametrize("seed", range(6))
def test_new_ids_keep_to_org_and_name_whatever_the_model_would_like(tiny_checkpoint: Path, seed: int) -> None:
    import torch

    loaded = load_checkpoint(str(tiny_checkpoint), device=None, dtype=None, token=None)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.normal_(std=0.5)
    free = ArchRouter(new_ids=True, checkpoint=loaded)
    reply = json.loads(free.reply(ask("Draw a red fox"), TINY_ROUTES).text)
    assert reply["model"] is None or is_model_id(reply["model"])
    assert reply["route"] in {route.name for route in TINY_ROUTES} | {"other"}


def test_names_that_need_escaping_are_filled_in_whole(router: ArchRouter) -> None:
    odd = [replace(route, name=f'{route.name} "{n}" \u00fc\\') for n, route in enumerate(TINY_ROUTES)]
    reply = json.loads(router.reply(ask("Draw a red fox"), odd).text)
    assert reply["route"] in {route.name for route in odd} | {"other"}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_other_number_formats_answer_the_same(tiny_checkpoint: Path, dtype: str) -> None:
    router = ArchRouter(str(tiny_checkpoint), dtype=dtype, device="cpu", reason_tokens=32)
    prompt, answer = next(iter(TINY_PAIRS.items()))
    assert router.reply(ask(prompt), TINY_ROUTES).text == expected_reply(answer)


def test_the_trained_form_answers_with_a_route_only(tiny_trained_checkpoint: Path) -> None:
    router = ArchRouter(str(tiny_trained_checkpoint), prompt="trained")
    for prompt, (route, _, _) in TINY_PAIRS.items():
        reply = router.reply(ask(prompt), TINY_ROUTES)
        assert (parse_reply(reply.text).route, parse_reply(reply.text).model) == (route, None)
        assert "% sure" in parse_reply(reply.text).reason


def test_an_unknown_prompt_form_is_refused_when_built() -> None:
    with pytest.raises(ConfigurationError, match="'xml'; allowed are json, trained"):
        ArchRouter(prompt="xml")  # type: ignore[arg-type]


def test_nothing_is_said_but_the_progress_bar(
    tiny_checkpoint: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("transformers").propagate = True
    with caplog.at_level(logging.WARNING):
        ArchRouter(str(tiny_checkpoint)).reply(ask("Draw a red fox " * 3000), TINY_ROUTES)
    out, err = capfd.readouterr()
    assert caplog.records == []
    assert out == ""
    assert "Loading weights" in err
    assert "[transformers]" not in err


def test_the_checkpoint_is_loaded_once_whichever_call_comes_first(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omni_router.routers.arch import router as arch

    loads, real = [], load_checkpoint

    def counted(name: str, **options: Any) -> Any:
        loads.append(name)
        time.sleep(0.05)  # long enough for every thread to find it missing
        return real(name, **options)

    monkeypatch.setattr(arch, "load_checkpoint", counted)
    router = ArchRouter(str(tiny_checkpoint), reason_tokens=32)
    assert loads == []
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda prompt: router.reply(ask(prompt), TINY_ROUTES).text, TINY_PAIRS))
    assert replies == [expected_reply(answer) for answer in TINY_PAIRS.values()]
    router.load()
    assert loads == [str(tiny_checkpoint)]


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ArchRouter(str(tmp_path / "none")).load()
    assert str(tmp_path / "none") in str(caught.value)
    assert "--router semantic" in str(caught.value)
    assert "--router-model PATH" in str(caught.value)


def test_a_folder_without_a_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--router semantic"):
        ArchRouter(str(tmp_path)).reply(ask("hi"), TINY_ROUTES)


def test_a_revision_of_a_hub_checkpoint_is_the_one_that_is_loaded(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, commit = tmp_path / "models--acme--tiny", "b" * 40
    shutil.copytree(tiny_checkpoint, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/v1").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for source in ("acme/tiny@v1", f"acme/tiny@{commit}"):
        ArchRouter(source).load()
    with pytest.raises(ConfigurationError, match=r"checkpoint acme/tiny could not be loaded"):
        ArchRouter("acme/tiny").load()


def test_without_a_network_the_hub_fails_at_once_and_no_token_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "x" * 30
    with pytest.raises(ConfigurationError) as caught:
        ArchRouter("sandbox/no-such-router", token=lambda: token).load()
    assert "sandbox/no-such-router" in str(caught.value)
    assert "licence at https://huggingface.co/sandbox/no-such-router" in str(caught.value)
    assert token not in str(caught.value)


def test_a_failed_load_is_tried_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    router = ArchRouter(str(tmp_path / "later"))
    with pytest.raises(ConfigurationError):
        router.load()
    (tmp_path / "later").symlink_to(tiny_checkpoint)
    router.load()


def test_the_whole_prompt_keeps_the_budget(tiny_checkpoint: Path) -> None:
    router = ArchRouter(str(tiny_checkpoint), max_prompt_tokens=500)
    turns = [Turn(role="assistant", content=f"{n} " + "older words " * 400) for n in range(15)]
    assert len(router.prompt_tokens([*turns, *ask("Draw a red fox")], TINY_ROUTES)) <= 500
    assert len(router.prompt_tokens([*turns, *ask("Draw a red fox " * 5000)], TINY_ROUTES)) <= 500
    assert len(router.prompt_tokens(ask("\u4e2d" * 9000), TINY_ROUTES)) <= 500


def test_the_models_own_reach_is_kept_too(tiny_checkpoint: Path) -> None:
    router = ArchRouter(str(tiny_checkpoint), max_prompt_tokens=10**6)
    assert len(router.prompt_tokens(ask("word " * 50_000), TINY_ROUTES)) <= 8192 - 128


def test_routes_that_do_not_fit_are_a_configuration_error(tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigurationError, match="routes alone take"):
        ArchRouter(str(tiny_checkpoint), max_prompt_tokens=200).reply(ask("hi"), TINY_ROUTES)


@pytest.mark.timeout(60)  # it takes less than two seconds; reading all of them takes minutes
@pytest.mark.parametrize("unit", ["word ", "a", " ", "{", "\u4e2d", '"'])
def test_of_five_megabytes_only_what_fits_is_read(router: ArchRouter, unit: str) -> None:
    assert len(router.prompt_tokens(ask(unit * (5_000_000 // len(unit))), TINY_ROUTES)) <= 4096


def words(turns: Sequence[Turn]) -> int:
    return 10 + sum(2 + len(turn["content"].split()) for turn in turns)


def talk(*contents: str) -> list[Turn]:
    return [Turn(role="assistant" if n % 2 else "user", content=content) for n, content in enumerate(contents)]


def test_what_fits_is_left_alone() -> None:
    turns = talk("a", "b", "c")
    assert fit(turns, 100, words) == turns


def test_older_messages_are_shortened_before_any_is_dropped() -> None:
    turns = talk("long " * 1000, "b", "c " * 90)
    fitted = fit(turns, 400, words)
    assert [ELLIPSIS in turn["content"] for turn in fitted] == [True, False, False]
    assert fitted[1:] == turns[1:]


def test_the_oldest_is_dropped_first_and_the_newest_user_message_kept_whole() -> None:
    turns = talk("a " * 30, "b " * 30, "c " * 30, "d " * 30)
    assert fit(turns, 110, words) == turns[1:]
    assert fit(turns, 80, words) == turns[2:]
    assert fit(turns, 50, words) == turns[2:3]


def test_a_newest_message_that_does_not_fit_alone_is_shortened_and_never_dropped() -> None:
    (turn,) = fit(talk("a", "b", "start " + "c " * 300 + "end"), 100, words)
    assert turn["role"] == "user"
    assert turn["content"].startswith("start c")
    assert turn["content"].endswith("c end")
    assert 80 < words([turn]) <= 100


def test_the_dtype_goes_with_the_device() -> None:
    assert pick_dtype("cpu") in {"bfloat16", "float32"}
    assert pick_dtype("mps") == "float16"
    assert pick_dtype(pick_device()) in {"bfloat16", "float16", "float32"}


@pytest.mark.parametrize(("slower", "dtype"), [(0.2, "bfloat16"), (1.4, "bfloat16"), (3.7, "float32")])
def test_a_cpu_that_only_emulates_bfloat16_gets_float32(
    monkeypatch: pytest.MonkeyPatch, slower: float, dtype: str
) -> None:
    monkeypatch.setattr(checkpoint, "_bfloat16_to_float32", lambda: slower)
    assert pick_dtype("cpu") == dtype


def printed_by(code: str, env: Mapping[str, str] | None = None) -> str:
    """Run code in a process of its own, and return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env).stdout.strip()


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="AVX2 belongs to x86")
def test_a_cpu_of_avx2_is_found_to_emulate_bfloat16() -> None:
    code = "from omni_router.routers.arch.checkpoint import pick_dtype; print(pick_dtype('cpu'))"
    old = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
    assert printed_by(code, old) == "float32"


def test_a_build_of_torch_for_cpus_need_not_be_imported_to_know_the_device() -> None:
    code = (
        "import sys; from omni_router.routers.arch import checkpoint\n"
        "checkpoint.version = lambda name: {'torch': '2.13.0+cpu'}[name]\n"
        "print(checkpoint.pick_device(), 'torch' in sys.modules)"
    )
    assert printed_by(code) == "cpu False"


def test_importing_the_routers_loads_nothing_heavy() -> None:
    code = (
        "import sys, omni_router.routers, omni_router.routers.arch.router, omni_router.routers.conversation\n"
        "heavy = {'torch', 'transformers', 'langchain_core', 'langgraph', 'huggingface_hub', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert printed_by(code) == "[]"
