"""A checkpoint of sentence-transformers, read through transformers alone: that library takes seconds to import."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic.checkpoint_source import Place
from omni_router.routers.semantic.pooling import POOLINGS

if TYPE_CHECKING:
    from torch import Tensor

MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
LONGEST = 512  # tokens, whatever a checkpoint allows: 8192 of them take a large one a minute, and somebody waits
OLD_KEYS = {  # of a pooling's config, each true or false
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class SentenceCheckpoint:
    """What is needed to embed: `steps` take pooled vectors (texts, dimensions) to sentence embeddings."""

    tokenizer: Any
    model: Any
    pooling: Sequence[str]
    steps: Sequence[Callable[["Tensor"], "Tensor"]]
    prompt: str  # stands before every text
    lower: bool
    max_tokens: int  # the special ones included


def read_checkpoint(place: Place) -> SentenceCheckpoint:
    """Read tokenizer, weights and modules; a checkpoint without `modules.json` is pooled by the mean.

    Raises:
        ConfigurationError: it has a module or a pooling that is not understood; the message names it.
        Exception: a file is missing or broken; the libraries have many types.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    (_, folder), (_, pooling), *rest = _modules(place)
    settings = place.settings("sentence_bert_config.json", folder)
    task = settings.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise _not_understood(place, f"the task {task!r} of its Transformer", ["feature-extraction"])
    config = place.load(AutoConfig, folder)
    encodes = type(config) in AutoModelForTextEncoding._model_mapping  # noqa: SLF001 (no other way to ask)
    if config.is_encoder_decoder and not encodes:
        raise _not_understood(place, f"the encoder-decoder {config.model_type!r}", ["t5", "mt5", "umt5"])
    # Weights come last: they may be gigabytes, and nothing of them is needed to see what is not understood.
    modes = _pooling(place, place.settings("config.json", pooling) if pooling else {})
    steps = [_dense(place, path) if kind == "Dense" else _normalize() for kind, path in rest]
    prompt = _prompt(place.settings("config_sentence_transformers.json"))
    tokenizer = place.load(AutoTokenizer, folder)
    model = place.load(AutoModelForTextEncoding if encodes else AutoModel, folder).eval().float()
    max_tokens = _max_tokens(settings.get("max_seq_length") or tokenizer.model_max_length, model)
    lower = bool(settings.get("do_lower_case"))
    return SentenceCheckpoint(tokenizer, model, modes, steps, prompt, lower, max_tokens)


def _not_understood(place: Place, what: str, allowed: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The encoder {place.source!r} cannot be used: {what} is not understood, allowed: {', '.join(allowed)}."
    )


def _modules(place: Place) -> list[tuple[str, str]]:
    """Give kind and folder of each module, a Transformer and a Pooling first."""
    listed = place.settings("modules.json")
    for module in listed:
        package, _, kind = module["type"].rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or kind not in MODULES:
            raise _not_understood(place, f"its module {module['type']}", MODULES)
    modules = [(module["type"].rpartition(".")[2], module["path"]) for module in listed]
    kinds = [kind for kind, _ in modules]
    if kinds and (kinds[:2] != list(MODULES[:2]) or set(kinds[2:]) & set(MODULES[:2])):
        raise _not_understood(place, f"the order {', '.join(kinds)} of its modules", MODULES)
    return modules or [("Transformer", ""), ("Pooling", "")]


def _pooling(place: Place, settings: dict[str, Any]) -> list[str]:
    modes = settings.get("pooling_mode") or [mode for key, mode in OLD_KEYS.items() if settings.get(key)] or "mean"
    modes = [modes] if isinstance(modes, str) else list(modes)
    for mode in [mode for mode in modes if mode not in POOLINGS]:
        raise _not_understood(place, f"the pooling {mode!r}", list(POOLINGS))
    if settings.get("include_prompt") is False and _prompt(place.settings("config_sentence_transformers.json")):
        raise _not_understood(place, "a Pooling that leaves out the prompt", ['"include_prompt": true'])
    return modes


def _dense(place: Place, folder: str) -> Callable[["Tensor"], "Tensor"]:
    import torch
    from safetensors.torch import load_file

    settings = place.settings("config.json", folder)
    name = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = getattr(torch.nn, name.rpartition(".")[2], None) if name.startswith("torch.nn.") else None
    if not isinstance(activation, type) or not issubclass(activation, torch.nn.Module):
        raise _not_understood(place, f"the activation {name} of its Dense", ["those of torch.nn"])
    if settings.get("use_residual") or settings.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise _not_understood(place, f"its Dense {folder}", ["one of sentence embeddings without a residual"])
    if weights := place.file("model.safetensors", folder):
        state = load_file(weights)
    else:
        state = torch.load(place.file("pytorch_model.bin", folder) or "", map_location="cpu", weights_only=True)
    linear = torch.nn.Linear(settings["in_features"], settings["out_features"], bias=settings.get("bias", True))
    linear.load_state_dict({key.removeprefix("linear."): value for key, value in state.items()})
    return torch.nn.Sequential(linear.float(), activation()).eval()


def _normalize() -> Callable[["Tensor"], "Tensor"]:
    import torch

    return partial(torch.nn.functional.normalize, dim=1)


def _prompt(settings: dict[str, Any]) -> str:
    """Take the prompt that is meant for every text, else that for queries, which requests are most like."""
    prompts = settings.get("prompts") or {}
    return prompts.get(settings.get("default_prompt_name")) or prompts.get("query") or ""


def _max_tokens(wanted: int, model: Any) -> int:
    """Bound the length by the positions of the model; RoBERTa and its kin count theirs from behind the padding's."""
    import torch

    bounds = [wanted, LONGEST, getattr(model.config, "max_position_embeddings", None) or LONGEST]
    for name, table in model.named_modules():
        if "position" in name.rpartition(".")[2] and isinstance(table, torch.nn.Embedding):
            bounds.append(table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1))
    return min(bound for bound in bounds if bound > 0)
