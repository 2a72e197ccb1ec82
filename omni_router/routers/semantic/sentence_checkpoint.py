"""A checkpoint of sentence-transformers, read through transformers alone: that library takes seconds to import."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic.checkpoint_source import CheckpointSource

if TYPE_CHECKING:
    from torch import Tensor

MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
MAX_TOKENS = 512  # a limit for every checkpoint: 8192 tokens take a large one a minute, and a user waits
OLD_KEYS = {  # keys of older configurations of a Pooling, each true or false
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class SentenceCheckpoint:
    """The parts of a checkpoint; `steps` turn pooled vectors (texts, dimensions) into sentence embeddings."""

    tokenizer: Any
    model: Any
    pooling: Sequence[str]
    steps: Sequence[Callable[["Tensor"], "Tensor"]]
    prompt: str  # stands before every text
    lower: bool
    max_tokens: int  # the special ones included


def read_checkpoint(source: CheckpointSource) -> SentenceCheckpoint:
    """Read tokenizer, weights and modules; a checkpoint without `modules.json` is pooled by the mean.

    Raises:
        ConfigurationError: it has a module or a pooling that is not understood; the message names it.
        Exception: a file is missing or broken; the libraries have many types.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    (_, folder), (_, pooling), *steps = _modules(source)
    settings = source.settings("sentence_bert_config.json", folder)
    task = settings.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise _unsupported(source, f"the task {task!r} of its Transformer", ["feature-extraction"])
    config = source.load(AutoConfig, folder)
    encodes = type(config) in AutoModelForTextEncoding._model_mapping  # noqa: SLF001 (there is no public way)
    if config.is_encoder_decoder and not encodes:
        raise _unsupported(source, f"the encoder-decoder {config.model_type!r}", ["t5", "mt5", "umt5"])
    # Weights come last: they may be gigabytes, and they are not needed to find what is unsupported.
    modes = _pooling(source, pooling)
    functions = [_step(source, kind, path) for kind, path in steps]
    prompt = _prompt(source.settings("config_sentence_transformers.json"))
    tokenizer = source.load(AutoTokenizer, folder)
    loader = AutoModelForTextEncoding if encodes else AutoModel
    model = source.load(loader, folder).eval().float()
    max_tokens = _max_tokens(settings.get("max_seq_length") or tokenizer.model_max_length, model)
    lower = bool(settings.get("do_lower_case"))
    return SentenceCheckpoint(tokenizer, model, modes, functions, prompt, lower, max_tokens)


def pool(modes: Sequence[str], states: "Tensor", mask: "Tensor") -> "Tensor":
    """Return vectors (texts, modes x hidden) for `states` (texts, tokens, hidden); `mask` is false for padding.

    Padding stands on the right, and every text has a token.
    """
    import torch

    return torch.cat([POOLINGS[mode](states, mask) for mode in modes], dim=1)


def _token(states: "Tensor", index: "Tensor") -> "Tensor":
    return states.take_along_dim(index[:, None, None], 1)[:, 0]


def _weighted(states: "Tensor", weights: "Tensor", power: float = 1.0) -> "Tensor":
    return (states * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True) ** power


# The poolings of sentence-transformers, in the order in which a checkpoint with several has them side by side.
POOLINGS: dict[str, Callable[["Tensor", "Tensor"], "Tensor"]] = {
    "cls": lambda states, _mask: states[:, 0],
    "max": lambda states, mask: states.masked_fill(~mask[:, :, None], -float("inf")).amax(1),
    "mean": lambda states, mask: _weighted(states, mask.float()),
    "mean_sqrt_len_tokens": lambda states, mask: _weighted(states, mask.float(), power=0.5),
    "weightedmean": lambda states, mask: _weighted(states, (mask * mask.cumsum(1)).float()),
    "lasttoken": lambda states, mask: _token(states, mask.sum(1) - 1),
}


def _unsupported(source: CheckpointSource, what: str, allowed: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The encoder {source.source!r} cannot be used: {what} is not supported; allowed: {', '.join(allowed)}."
    )


def _modules(source: CheckpointSource) -> list[tuple[str, str]]:
    """Return kind and folder of each module, a Transformer and a Pooling first."""
    modules: list[tuple[str, str]] = []
    for module in source.settings("modules.json"):
        package, _, kind = module["type"].rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or kind not in MODULES:
            raise _unsupported(source, f"its module {module['type']}", MODULES)
        modules.append((kind, module["path"]))
    if not modules:
        return [("Transformer", ""), ("Pooling", "")]
    kinds = list(map(itemgetter(0), modules))
    if kinds[:2] != list(MODULES[:2]) or set(kinds[2:]) & set(MODULES[:2]):
        raise _unsupported(source, f"the order {', '.join(kinds)} of its modules", MODULES)
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
            raise _unsupported(source, f"the pooling {mode!r}", list(POOLINGS))
    if settings.get("include_prompt") is False and _prompt(source.settings("config_sentence_transformers.json")):
        raise _unsupported(source, "a Pooling that leaves out the prompt", ['"include_prompt": true'])
    return list(modes)


def _pooling_of_old_keys(settings: Mapping[str, Any]) -> list[str]:
    return [mode for key, mode in OLD_KEYS.items() if settings.get(key)]


def _step(source: CheckpointSource, kind: str, folder: str) -> Callable[["Tensor"], "Tensor"]:
    import torch

    if kind == "Dense":
        return _dense(source, folder)
    return partial(torch.nn.functional.normalize, dim=1)


def _dense(source: CheckpointSource, folder: str) -> Callable[["Tensor"], "Tensor"]:
    import torch

    settings = source.settings("config.json", folder)
    name = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = None
    if name.startswith("torch.nn."):
        activation = getattr(torch.nn, name.rpartition(".")[2], None)
    if not isinstance(activation, type) or not issubclass(activation, torch.nn.Module):
        raise _unsupported(source, f"the activation {name} of its Dense", ["those of torch.nn"])
    if settings.get("use_residual") or settings.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise _unsupported(source, f"its Dense {folder}", ["one of sentence embeddings without a residual"])
    state = _dense_weights(source, folder)
    linear = torch.nn.Linear(settings["in_features"], settings["out_features"], bias=settings.get("bias", True))
    parameters = {key.removeprefix("linear."): value for key, value in state.items()}
    linear.load_state_dict(parameters)
    return torch.nn.Sequential(linear.float(), activation()).eval()


def _dense_weights(source: CheckpointSource, folder: str) -> dict[str, "Tensor"]:
    import torch
    from safetensors.torch import load_file

    if weights := source.file("model.safetensors", folder):
        return load_file(weights)
    path = source.file("pytorch_model.bin", folder) or ""
    return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]


def _prompt(settings: dict[str, Any]) -> str:
    """Return the prompt for every text, else the one for queries, which requests are most like."""
    prompts = settings.get("prompts") or {}
    return prompts.get(settings.get("default_prompt_name")) or prompts.get("query") or ""


def _max_tokens(configured: int, model: Any) -> int:
    """Bound the length by the positions of the model; those of RoBERTa and its kin begin after the padding's."""
    import torch

    bounds = [configured, MAX_TOKENS, getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS]
    for name, table in model.named_modules():
        if "position" in name.rpartition(".")[2] and isinstance(table, torch.nn.Embedding):
            positions = table.num_embeddings
            if table.padding_idx is not None:
                positions -= table.padding_idx + 1
            bounds.append(positions)
    return min(bound for bound in bounds if bound > 0)
