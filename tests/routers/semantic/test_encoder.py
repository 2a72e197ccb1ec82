"""The encoder beside sentence-transformers itself, on small checkpoints of random weights and on the packaged one."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic import checkpoint_source as minilm_module
from omni_router.routers.semantic import sentence_encoder as encoder_module
from omni_router.routers.semantic.checkpoint_source import packaged_model
from omni_router.routers.semantic.pooling import POOLINGS
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from tests.support import sentence_checkpoints as checkpoints

TEXTS = [
    "",
    "draw a cat with a hat",
    "write python code that sorts a list",
    "something unknown, please",
    "  \n ",
    *(" ".join(checkpoints.WORDS[:n]) for n in range(1, len(checkpoints.WORDS))),
    *(" ".join(checkpoints.WORDS[n:]) for n in range(1, len(checkpoints.WORDS))),
]
LIKE: dict[str, Any] = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert") / "checkpoint"
    checkpoints.build(folder, checkpoints.bert, "mean")
    return folder


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    """A checkpoint of its own for a test to change."""
    return shutil.copytree(bert, tmp_path / "copy")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def same(folder: Path, model: Any, texts: list[str] = TEXTS) -> None:
    vectors = SentenceEncoder(folder).encode(texts)
    np.testing.assert_allclose(vectors, checkpoints.expected(model, texts), **LIKE)
    assert (vectors @ vectors.T).min() < 0.9, "texts that are all alike prove nothing"


# ---- the same as the library


def test_bert_with_a_mean(bert: Path) -> None:
    with checkpoints.library() as sentence_transformers:
        model = sentence_transformers.SentenceTransformer(str(bert), device="cpu")
    same(bert, model)


def test_xlm_roberta_with_its_first_token_a_dense_layer_and_a_prompt(tmp_path: Path) -> None:
    prompts = {"query": "translate this: ", "document": "poem "}
    model = checkpoints.build(
        tmp_path / "st",
        checkpoints.xlm_roberta,
        "cls",
        lambda modules: modules.Dense(16, 8),
        prompts=prompts,
        default_prompt_name="query",
    )
    same(tmp_path / "st", model)
    edit(tmp_path / "st/config_sentence_transformers.json", default_prompt_name=None)
    same(tmp_path / "st", model)  # a prompt for queries is taken without being the default
    edit(tmp_path / "st/config_sentence_transformers.json", default_prompt_name="document")
    model.default_prompt_name = "document"
    same(tmp_path / "st", model)


def test_the_greatest_of_each_dimension_of_texts_in_lower_case(tmp_path: Path) -> None:
    model = checkpoints.build(tmp_path / "st", checkpoints.bert, "max", lower=True)
    same(tmp_path / "st", model, [text.title() for text in TEXTS])


def test_every_pooling_side_by_side(tmp_path: Path) -> None:
    same(tmp_path / "st", checkpoints.build(tmp_path / "st", checkpoints.bert, list(POOLINGS)))


@pytest.mark.parametrize("make", [checkpoints.t5, checkpoints.t5_with_decoder])
def test_t5_by_its_encoder_with_a_dense_layer_between_lengths_of_one(make: Callable[..., None], tmp_path: Path) -> None:
    model = checkpoints.build(
        tmp_path / "st",
        make,
        "mean",
        lambda modules: modules.Normalize(),
        lambda modules: modules.Dense(16, 24, bias=False, activation_function=torch.nn.Identity()),
        lambda modules: modules.Normalize(),
    )
    same(tmp_path / "st", model)


def test_a_causal_model_by_its_last_token_without_any_around_a_text(tmp_path: Path) -> None:
    model = checkpoints.build(tmp_path / "st", checkpoints.phi, "lasttoken")
    same(tmp_path / "st", model, [text for text in TEXTS if text.strip()])
    empty = SentenceEncoder(tmp_path / "st").encode(["", "a cat"])  # which the library cannot embed
    np.testing.assert_allclose(np.linalg.norm(empty, axis=1), 1, **LIKE)


def test_the_layout_of_older_versions(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    checkpoints.build(tmp_path / "st", checkpoints.bert, "mean", lambda modules: modules.Dense(16, 8))
    folder.mkdir()
    checkpoints.bert(folder / "0_Transformer")
    (folder / "0_Transformer/sentence_bert_config.json").write_text('{"max_seq_length": 12, "do_lower_case": true}')
    shutil.copytree(tmp_path / "st/2_Dense", folder / "2_Dense")
    weights = torch.nn.Linear(16, 8)
    torch.save(
        {f"linear.{key}": value for key, value in weights.state_dict().items()}, folder / "2_Dense/pytorch_model.bin"
    )
    (folder / "2_Dense/model.safetensors").unlink()
    (folder / "1_Pooling").mkdir()
    old = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling/config.json").write_text(json.dumps({**old, "pooling_mode_max_tokens": False}))
    paths = {"Transformer": "0_Transformer", "Pooling": "1_Pooling", "Dense": "2_Dense", "Normalize": "3_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(paths.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    with checkpoints.library() as sentence_transformers:
        model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    same(folder, model, [text.title() for text in TEXTS if len(text.split()) <= 9])


def test_a_plain_checkpoint_of_transformers_has_the_mean(tmp_path: Path) -> None:
    checkpoints.build(tmp_path / "st", checkpoints.bert, "mean")
    plain = tmp_path / "st-plain"
    assert not (plain / "modules.json").exists()
    with checkpoints.library() as sentence_transformers:
        model = sentence_transformers.SentenceTransformer(str(plain), device="cpu")
    same(plain, model)


def test_the_packaged_checkpoint(minilm: SentenceEncoder) -> None:
    with checkpoints.library() as sentence_transformers:
        model = sentence_transformers.SentenceTransformer(str(packaged_model()), device="cpu")
    texts = [*TEXTS[:12], "Schreib mir ein Gedicht über das Meer", "def f(x):\n    return x\n" * 20]
    np.testing.assert_allclose(minilm.encode(texts), checkpoints.expected(model, texts), **LIKE)


# ---- lengths and batches


def test_vectors_have_length_one_whatever_the_batch_and_long_texts_keep_both_ends(minilm: SentenceEncoder) -> None:
    long = "translate this to german " + "word " * 20_000 + "thank you"
    texts = ["short", "a rather longer sentence than the other one", "", long]
    vectors = minilm.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, **LIKE)
    np.testing.assert_allclose(vectors, np.concatenate([minilm.encode([text]) for text in texts]), **LIKE)
    changed_tail = minilm.encode([long.removesuffix("thank you") + "draw a picture of a horse"])
    assert not np.allclose(vectors[3], changed_tail[0], atol=1e-3)
    assert minilm.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("make", "pooling"), [(checkpoints.bert, "mean"), (checkpoints.xlm_roberta, "cls"), (checkpoints.phi, "lasttoken")]
)
def test_no_text_is_longer_than_the_positions_of_the_model(
    make: Callable[..., None], pooling: str, tmp_path: Path
) -> None:
    checkpoints.build(tmp_path / "st", make, pooling)
    edit(tmp_path / "st/sentence_bert_config.json", max_seq_length=1000)
    encoder = SentenceEncoder(tmp_path / "st")
    words = "draw " * 30 + "cat " * 900 + "sea " * 30
    assert encoder.load().max_tokens == checkpoints.POSITIONS
    around = 0 if make is checkpoints.phi else 1
    prefix = "draw " * (24 - around) + "sea " * (16 - around)
    np.testing.assert_allclose(encoder.encode([words]), encoder.encode([prefix]), **LIKE)


def test_the_length_a_checkpoint_names_is_kept(copy: Path) -> None:
    edit(copy / "sentence_bert_config.json", max_seq_length=12)
    vectors = SentenceEncoder(copy).encode(["draw " * 6 + "sea " * 4])
    np.testing.assert_allclose(SentenceEncoder(copy).encode(["draw " * 50 + "cat " * 9 + "sea " * 4]), vectors, **LIKE)


# ---- the middle layer


def test_a_weight_puts_the_middle_layer_beside_the_embedding(minilm: SentenceEncoder) -> None:
    texts = ["write a poem about sorting", "write python code about sorting", ""]
    vectors = SentenceEncoder(middle_layer_weight=0.36).encode(texts)
    np.testing.assert_allclose(vectors[:, :384], 0.8 * minilm.encode(texts), **LIKE)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, **LIKE)
    package = str(packaged_model())
    with torch.inference_mode():
        inputs = AutoTokenizer.from_pretrained(package)(texts[:1], return_tensors="pt")
        model = AutoModel.from_pretrained(package)
        middle = model(**inputs, output_hidden_states=True).hidden_states[4].mean(1)
    np.testing.assert_allclose(vectors[:1, 384:], 0.6 * torch.nn.functional.normalize(middle, dim=1), **LIKE)


def test_a_middle_layer_goes_with_a_dense_layer(tmp_path: Path) -> None:
    checkpoints.build(tmp_path / "st", checkpoints.t5, "mean", lambda modules: modules.Dense(16, 8))
    vectors = SentenceEncoder(tmp_path / "st", middle_layer_weight=0.5).encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 8 + 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, **LIKE)


@pytest.mark.parametrize("weight", [-0.1, 1.0, float("nan")])
def test_a_weight_out_of_bounds_is_refused(weight: float) -> None:
    with pytest.raises(ConfigurationError, match=r"middle_layer_weight must be at least 0 and below 1, not"):
        SentenceEncoder(middle_layer_weight=weight)


# ---- names


def test_a_name_holds_checkpoint_and_weight_and_loads_nothing(minilm: SentenceEncoder, copy: Path) -> None:
    assert minilm.name.startswith(minilm_module.WEIGHTS_SHA256[:16])
    names = {
        minilm.name,
        SentenceEncoder(middle_layer_weight=0.3).name,
        SentenceEncoder(copy).name,
        SentenceEncoder(copy).name,
    }
    assert len(names) == 3
    edit(copy / "config_sentence_transformers.json", default_prompt_name="query")
    encoder = SentenceEncoder(copy)
    assert encoder.name not in names
    assert not encoder.is_loaded


# ---- what cannot be used


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("sentence_transformers.models.LayerNorm", "LayerNorm"),
        ("custom_st.Transformer", "custom_st"),
        ("sentence_transformers.models.Pooling", "Transformer, Pooling, Pooling"),
    ],
)
def test_a_module_that_is_not_supported_is_named(kind: str, names: str, copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    (copy / "modules.json").write_text(json.dumps([*modules, {**modules[1], "type": kind}]))
    with pytest.raises(ConfigurationError, match=f"{names}.*allowed: Transformer, Pooling, Dense, Normalize"):
        SentenceEncoder(copy).encode(["hello"])


@pytest.mark.parametrize(
    ("file", "changes", "names"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "attention"}, "the pooling 'attention'.*allowed: cls, max, mean"),
        ("1_Pooling/config.json", {"include_prompt": False}, "leaves out the prompt"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "fill-mask.*allowed: feature-extraction"),
    ],
)
def test_a_setting_that_is_not_supported_is_named(file: str, changes: Any, names: str, copy: Path) -> None:
    edit(copy / "config_sentence_transformers.json", prompts={"query": "query: "})
    edit(copy / file, **changes)
    with pytest.raises(ConfigurationError, match=names):
        SentenceEncoder(copy).encode(["hello"])


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"activation_function": "os.system"}, "activation os.system"),
        ({"activation_function": "torch.nn.functional"}, "activation torch.nn.functional"),
        ({"use_residual": True}, "2_Dense"),
        ({"module_input_name": "token_embeddings"}, "2_Dense"),
    ],
)
def test_a_dense_layer_that_is_not_supported_is_named(changes: Any, names: str, copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    dense = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (copy / "modules.json").write_text(json.dumps([*modules, dense]))
    (copy / "2_Dense").mkdir()
    (copy / "2_Dense/config.json").write_text(json.dumps({"in_features": 16, "out_features": 8, **changes}))
    with pytest.raises(ConfigurationError, match=names):
        SentenceEncoder(copy).encode(["hello"])


def test_an_encoder_decoder_that_is_not_supported_is_named(copy: Path) -> None:
    edit(copy / "config.json", model_type="bart", is_encoder_decoder=True)
    with pytest.raises(ConfigurationError, match=r"the encoder-decoder 'bart'.*allowed: t5"):
        SentenceEncoder(copy).encode(["hello"])


def test_a_folder_without_weights_is_reported(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=re.escape(str(copy))):
        SentenceEncoder(copy).encode(["hello"])


# ---- where it is found


@pytest.fixture
def installed(tmp_path: Path, minilm: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed package's folder that a test may change."""
    folder = packaged_model()
    assert folder is not None
    copy = tmp_path / minilm_module.PACKAGE / "model"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").symlink_to(folder / "model.safetensors")
    spec = ModuleSpec(minilm_module.PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(copy.parent)]
    monkeypatch.setattr(minilm_module, "find_spec", lambda _: spec)
    assert packaged_model() == copy
    return copy


@pytest.mark.parametrize("name", minilm_module.SHA256)
def test_a_file_of_the_package_with_another_digest_is_refused(installed: Path, name: str) -> None:
    (installed / name).unlink()
    (installed / name).write_bytes(b"tampered")
    with pytest.raises(ConfigurationError) as caught:
        SentenceEncoder().encode(["hello"])
    message = str(caught.value)
    assert str(installed / name) in message
    assert minilm_module.SHA256[name] in message
    assert len(re.findall(r"\b[0-9a-f]{64}\b", message)) == 2


def test_a_file_that_does_not_belong_to_the_package_is_refused_and_a_missing_one_too(installed: Path) -> None:
    (installed / "adapter_config.json").write_text("{}")  # transformers would load what it names
    with pytest.raises(ConfigurationError, match=r"adapter_config.json is not a file of all-MiniLM-L6-v2"):
        packaged_model()
    (installed / "adapter_config.json").unlink()
    (installed / "README.md").write_text("anything")
    assert packaged_model() == installed
    (installed / "vocab.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"vocab.txt is missing"):
        packaged_model()


def test_without_package_and_hub_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm_module, "find_spec", lambda _: None)
    monkeypatch.setattr(encoder_module, "HUB_ID", str(tmp_path / "nothing-here"))
    with pytest.raises(ConfigurationError, match=r"-r requirements/embedded\.txt"):
        SentenceEncoder().encode(["hello"])


def test_explicit_folder_is_loaded_quietly_and_a_missing_one_is_named(
    minilm: SentenceEncoder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = packaged_model()
    assert folder is not None
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").symlink_to(folder / "model.safetensors")
    np.testing.assert_allclose(SentenceEncoder(copy).encode(["hello"]), minilm.encode(["hello"]), **LIKE)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ConfigurationError, match="no-such-folder"):
        SentenceEncoder(tmp_path / "no-such-folder").encode(["hello"])


def test_a_copy_in_the_cache_of_the_hub_needs_no_network(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, commit = tmp_path / "models--acme--tiny", "0123456789abcdef" * 2 + "01234567"
    shutil.copytree(bert, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoder = SentenceEncoder("acme/tiny")
    assert encoder.name.startswith(f"acme/tiny@{commit}")
    np.testing.assert_allclose(encoder.encode(TEXTS), SentenceEncoder(bert).encode(TEXTS))


@pytest.fixture
def two_commits(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the commits of `acme/tiny` in the Hub's cache, by the name that points to each."""
    repository, commits = tmp_path / "models--acme--tiny", {"main": "a" * 40, "v1": "b" * 40}
    (repository / "refs").mkdir(parents=True)
    for name, commit in commits.items():
        shutil.copytree(bert, repository / "snapshots" / commit)
        (repository / "refs" / name).write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return commits


def test_a_revision_of_a_hub_checkpoint_is_the_one_that_is_loaded(two_commits: dict[str, str]) -> None:
    for source, commit in (
        ("acme/tiny", two_commits["main"]),
        ("acme/tiny@v1", two_commits["v1"]),
        (f"acme/tiny@{two_commits['v1']}", two_commits["v1"]),
    ):
        encoder = SentenceEncoder(source)
        assert encoder.name.startswith(f"acme/tiny@{commit}")
        assert encoder.encode(TEXTS).shape[0] == len(TEXTS)


@pytest.mark.parametrize(("source", "message"), [("acme/tiny@", "no revision after the @"), ("acme/tiny@v9", "v9")])
def test_a_revision_that_is_not_there_is_named(two_commits: dict[str, str], source: str, message: str) -> None:
    assert "v9" not in two_commits
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        SentenceEncoder(source).encode(["hello"])


BLOCKS = """
from concurrent.futures import ThreadPoolExecutor
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
from omni_router.routers.semantic.concurrency import single_threaded

def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

with threadpool_limits(2):
    with single_threaded(), ThreadPoolExecutor(1) as pool:
        with single_threaded():
            assert threads() == {1}, "inside"
        pool.submit(single_threaded().__enter__).result()
        assert threads() == {1}, "after the inner block"
    assert threads() == {1}, "while another thread is inside"
    single_threaded().__exit__(None, None, None)
    assert threads() == {2}, "after the last block"
"""


def test_numpy_has_its_threads_back_after_the_outermost_block_of_the_last_thread() -> None:
    # In a process of its own: a head that another test has left to be fitted would be inside a block, too.
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
