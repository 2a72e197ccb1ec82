"""A checkpoint of sentence-transformers: its tokenizer, its model, and the modules that follow the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router.errors import ConfigurationError, install_command
from omni_router.routers.semantic.checkpoint_source import CheckpointSource, is_minilm, unsupported
from omni_router.routers.semantic.onnx_model import MiniLm, OnnxModel, read_tokenizer, tokenize
from omni_router.routers.semantic.pooling import ACTIVATIONS, POOLINGS, Dense, normalize
from omni_router.routers.semantic.safetensors_file import SafetensorsFile
from omni_router.routers.semantic.token_model import MAX_TOKENS, Precision, TokenModel, Transformer

if TYPE_CHECKING:
    from omni_router.routers.semantic.encoder import Vectors

MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
ONNX = "onnx"  # the folder of a checkpoint's ONNX file
OLD_KEYS = {  # keys of older configurations of a Pooling, each true or false
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Models whose positions begin after that of the padding, as those of RoBERTa.
POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")


@dataclass(frozen=True)
class SentenceCheckpoint:
    """The parts of a checkpoint; `steps` turn pooled vectors (texts, dimensions) into sentence embeddings."""

    transformer: Transformer
    pooling: Sequence[str]
    steps: "Sequence[Callable[[Vectors], Vectors]]"
    prompt: str  # stands before every text
    lower: bool
    max_tokens: int  # the special ones included


def read_checkpoint(source: CheckpointSource, precision: Precision = "float32") -> SentenceCheckpoint:
    """Read tokenizer, weights and modules; a checkpoint without `modules.json` is pooled by the mean.

    Args:
        source: the place of the checkpoint.
        precision: of all-MiniLM-L6-v2; others are computed as their files have them.

    Raises:
        ConfigurationError: it has a module or a pooling that is not understood, or a package is missing that it needs;
            the message names it.
        Exception: a file is missing or broken; the libraries have many types.
    """
    (_, folder), (_, pooling), *steps = _modules(source)
    settings = source.settings("sentence_bert_config.json", folder)
    task = settings.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise unsupported(source, f"the task {task!r} of its Transformer", ["feature-extraction"])
    # Weights come last: they may be gigabytes, and they are not needed to find what is unsupported.
    modes = _pooling(source, pooling)
    functions = [_step(source, kind, path) for kind, path in steps]
    prompt = _prompt(source.settings("config_sentence_transformers.json"))
    transformer = _transformer(source, folder, precision)
    max_tokens = transformer.max_tokens
    if settings.get("max_seq_length"):
        max_tokens = min(max_tokens, settings["max_seq_length"])
    return SentenceCheckpoint(transformer, modes, functions, prompt, bool(settings.get("do_lower_case")), max_tokens)


def _transformer(source: CheckpointSource, folder: str, precision: Precision) -> Transformer:
    """Load the model by ONNX Runtime if its graph is at hand, else by torch."""
    tokenizer = source.file("tokenizer.json", folder)
    if tokenizer is not None:
        weights = None
        if is_minilm(source, folder):
            weights = source.file("model.safetensors", folder)
        if weights is not None:
            return _onnx_transformer(source, folder, tokenizer, MiniLm(weights, precision))
        if (path := _onnx_file(source, folder)) is not None:
            return _onnx_transformer(source, folder, tokenizer, OnnxModel(path))
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise ConfigurationError(
            f"The encoder {source.source!r} has no {ONNX}/model.onnx with a tokenizer.json, and so it is run by torch, "
            f"which is not installed: {install_command('arch')}"
        )
    from omni_router.routers.semantic.torch_model import load_transformer

    return load_transformer(source, folder)


def _onnx_file(source: CheckpointSource, folder: str) -> Path | None:
    """Return the path of the ONNX file, and bring its weights here if they lie in a file of their own."""
    place = "/".join(filter(None, (folder, ONNX)))
    path = source.file("model.onnx", place)
    if path is not None and b"model.onnx_data" in path.read_bytes():
        source.file("model.onnx_data", place)
    return path


def _onnx_transformer(source: CheckpointSource, folder: str, tokenizer: Path, model: TokenModel) -> Transformer:
    config = source.settings("config.json", folder)
    padding = int(config.get("pad_token_id") or 0)
    positions = int(config.get("max_position_embeddings") or MAX_TOKENS)
    if config.get("model_type") in POSITIONS_AFTER_PADDING:
        positions -= padding + 1
    longest = source.settings("tokenizer_config.json", folder).get("model_max_length") or MAX_TOKENS
    read = read_tokenizer(tokenizer)

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        return tokenize(read, texts)

    return Transformer(tokens, model, padding, int(min(MAX_TOKENS, positions, longest)))


def _modules(source: CheckpointSource) -> list[tuple[str, str]]:
    """Return kind and folder of each module, a Transformer and a Pooling first."""
    modules: list[tuple[str, str]] = []
    for module in source.settings("modules.json"):
        package, _, kind = module["type"].rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or kind not in MODULES:
            raise unsupported(source, f"its module {module['type']}", MODULES)
        modules.append((kind, module["path"]))
    if not modules:
        return [("Transformer", ""), ("Pooling", "")]
    kinds = list(map(itemgetter(0), modules))
    if kinds[:2] != list(MODULES[:2]) or set(kinds[2:]) & set(MODULES[:2]):
        raise unsupported(source, f"the order {', '.join(kinds)} of its modules", MODULES)
    return modules


def _pooling(source: CheckpointSource, folder: str) -> list[str]:
    """Return the poolings of the module in a folder; without one, the mean."""
    settings: dict[str, Any] = {}
    if folder:
        settings = source.settings("config.json", folder)
    modes = settings.get("pooling_mode")
    if not modes:
        modes = _pooling_of_old_keys(settings) or ["mean"]
    elif isinstance(modes, str):
        modes = [modes]
    for mode in modes:
        if mode not in POOLINGS:
            raise unsupported(source, f"the pooling {mode!r}", list(POOLINGS))
    if settings.get("include_prompt") is False and _prompt(source.settings("config_sentence_transformers.json")):
        raise unsupported(source, "a Pooling that leaves out the prompt", ['"include_prompt": true'])
    return list(modes)


def _pooling_of_old_keys(settings: Mapping[str, Any]) -> list[str]:
    return [mode for key, mode in OLD_KEYS.items() if settings.get(key)]


def _step(source: CheckpointSource, kind: str, folder: str) -> "Callable[[Vectors], Vectors]":
    if kind == "Dense":
        return _dense(source, folder)
    return normalize


def _dense(source: CheckpointSource, folder: str) -> Dense:
    settings = source.settings("config.json", folder)
    name = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = name.rpartition(".")[2]
    if not name.startswith("torch.nn.") or activation not in ACTIVATIONS:
        raise unsupported(source, f"the activation {name} of its Dense", [f"torch.nn.{each}" for each in ACTIVATIONS])
    if settings.get("use_residual") or settings.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise unsupported(source, f"its Dense {folder}", ["one of sentence embeddings without a residual"])
    weights = _dense_weights(source, folder)
    return Dense(weights["weight"], weights.get("bias"), activation)


def _dense_weights(source: CheckpointSource, folder: str) -> "dict[str, Vectors]":
    """Return the weight and the bias of a Dense."""
    if path := source.file("model.safetensors", folder):
        file = SafetensorsFile(path)
        return {name.removeprefix("linear."): file.tensor(name).astype("float32") for name in file.names()}
    if find_spec("torch") is None:
        raise ConfigurationError(
            f"The weights of {source.source!r}, {folder}, are a pytorch_model.bin, which torch reads: "
            f"{install_command('arch')}"
        )
    from omni_router.routers.semantic.torch_model import load_dense

    return load_dense(source.file("pytorch_model.bin", folder) or "")


def _prompt(settings: dict[str, Any]) -> str:
    """Return the prompt for every text, else the one for queries, which requests are most like."""
    prompts = settings.get("prompts") or {}
    return prompts.get(settings.get("default_prompt_name")) or prompts.get("query") or ""
