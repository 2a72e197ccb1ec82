"""The boards of the sandbox, read by the real client and over the wire."""

from collections.abc import Iterator
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from omni_router._sandbox import SANDBOX_TOKEN, Sandbox, sandbox
from omni_router._sandbox.boards import ARENA, ARENA_HOST, BOARDS

CODE, GATED = "SWE-bench/SWE-bench_Verified", "Idavidrein/gpqa"


@pytest.fixture(autouse=True)
def box() -> Iterator[Sandbox]:
    with sandbox() as box:
        yield box


def arena(**params: Any) -> Any:
    query = {"dataset": ARENA, "config": "text_style_control", "split": "latest", "offset": 0, "length": 100, **params}
    return huggingface_hub.get_session().get(f"https://{ARENA_HOST}/rows", params=query)


def test_the_official_benchmarks_are_listed_for_the_real_client() -> None:
    datasets = {dataset.id: dataset for dataset in HfApi().list_datasets(benchmark=True)}
    assert datasets.keys() == BOARDS.keys()
    assert datasets[GATED].gated == "auto"
    assert list(HfApi().list_datasets()) == []


def test_a_board_leaves_out_derived_models_unless_they_are_asked_for() -> None:
    rows = HfApi().get_dataset_leaderboard(CODE)
    assert [row.model_id for row in rows] == ["sandbox/text-generation-2"]
    everything = HfApi().get_dataset_leaderboard(CODE, base_model_only=False)
    assert len(everything) == 4
    assert [row.value for row in everything] == sorted((row.value for row in everything), reverse=True)


def test_every_board_can_be_read_by_the_real_client() -> None:
    for name in BOARDS:
        rows = HfApi(token=SANDBOX_TOKEN).get_dataset_leaderboard(name, base_model_only=False)
        assert [row.rank for row in rows] == list(range(1, len(rows) + 1))


def test_rows_have_the_oddities_of_the_real_ones() -> None:
    rows = []
    for name in BOARDS:
        path = f"https://huggingface.co/api/datasets/{name}/leaderboard"
        headers = {"authorization": f"Bearer {SANDBOX_TOKEN}"}
        rows += huggingface_hub.get_session().get(path, params={"base_model": "false"}, headers=headers).json()
    assert {row["notes"] for row in rows if "notes" in row} == {"with tools", "maj@16"}
    assert any("pullRequest" in row for row in rows)
    assert [row["source"]["name"] for row in rows if "source" in row] == ["Artificial Analysis"]
    assert any(row["value"] < 1 for row in rows)
    assert any(row["lower_is_better"] for row in rows)


def test_a_gated_board_wants_a_token_and_an_unknown_one_is_not_found() -> None:
    with pytest.raises(GatedRepoError):
        HfApi(token=False).get_dataset_leaderboard(GATED)
    assert HfApi(token=SANDBOX_TOKEN).get_dataset_leaderboard(GATED)
    with pytest.raises(RepositoryNotFoundError):
        HfApi().get_dataset_leaderboard("nobody/nothing")


def test_arena_answers_a_page_of_rows_as_the_datasets_server_does() -> None:
    body = arena().json()
    columns = [feature["name"] for feature in body["features"]]
    assert {"model_name", "rating", "vote_count", "category", "leaderboard_publish_date"} <= set(columns)
    assert [row["row_idx"] for row in body["rows"]] == list(range(body["num_rows_total"]))
    assert all(list(row["row"]) == columns for row in body["rows"])
    assert len({row["row"]["leaderboard_publish_date"] for row in body["rows"]}) == 2
    names = {row["row"]["model_name"] for row in body["rows"]}
    assert not any("/" in name for name in names), "the names are Arena's own"


def test_arena_answers_page_by_page_and_refuses_what_the_real_one_refuses() -> None:
    rows = arena().json()["rows"]
    assert arena(offset=3, length=2).json()["rows"] == rows[3:5]
    assert arena(length=101).status_code == 422
    assert arena(config="nothing").status_code == 404


@pytest.mark.parametrize("config", ["vision_style_control", "text_to_image", "image_edit"])
def test_arena_has_a_config_for_each_kind_of_model(config: str) -> None:
    assert arena(config=config).json()["rows"]


def test_the_owner_of_a_token_is_described_and_a_wrong_token_is_refused() -> None:
    token = HfApi(token=SANDBOX_TOKEN).whoami()["auth"]["accessToken"]
    assert token["role"] == "fineGrained"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(token="hf_wrong").whoami()


def test_the_router_checkpoint_has_a_card_with_a_licence() -> None:
    info = HfApi().model_info("katanemo/Arch-Router-1.5B")
    assert info.card_data
    assert info.card_data["license_name"] == "katanemo-research"
