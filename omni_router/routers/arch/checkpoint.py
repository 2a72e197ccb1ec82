"""Load a checkpoint that routes: tokenizer and weights, on the device and in the number format of the machine."""

import math
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omni_router.errors import ConfigurationError, missing_package
from omni_router.model_id import is_model_id, split_revision

# A request before a download: the Hub's own client repeats a request for 47 s when there is no network.
CHECKPOINT_TIMEOUT = 10
# How many times as long as in float32 a product in bfloat16 may take, for half the memory. It takes 0.2 with AMX, 1.4
# with AVX-512 BF16, and 3.7 (AVX-512) or 7.5 (AVX2) where it is emulated.
_TOO_SLOW = 2


@dataclass(frozen=True)
class Checkpoint:
    """A tokenizer and a causal language model, ready to generate."""

    tokenizer: Any
    model: Any


def load_checkpoint(name: str, *, device: str | None, dtype: str | None, token: str | None) -> Checkpoint:
    """Load from a folder, from the local cache, or from the Hub, in this order; the libraries draw their own bars.

    Raises:
        ConfigurationError: it cannot be loaded, or torch or transformers is not installed; the message says what to do.
    """
    check_installed()
    try:
        return _load(name, device, dtype, token)
    except Exception as error:  # a download, a broken file or a missing package: many types, one remedy
        raise ConfigurationError(_remedy(name, error, token)) from error


def check_installed() -> None:
    """Check that torch and transformers are installed, which come with an extra; neither is imported for that.

    Raises:
        ConfigurationError: one of them is missing; the message has the command that installs both.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise missing_package(f"a local router checkpoint needs {package}, which is not installed", "arch")


def pick_device() -> str:
    """Return the name of the best device of this machine.

    Raises:
        ConfigurationError: torch or transformers is not installed.
    """
    check_installed()
    if version("torch").endswith("+cpu"):  # a build for CPUs alone: `auto` is spared seconds of importing it
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(device: str) -> str:
    """Return the name of the number format for `device`.

    The checkpoint was trained in bfloat16, so that is used wherever it is fast, a CPU with AMX included. On a CPU that
    only emulates it a reply takes half the time in float32, with twice the memory. float16 is never the fastest there.
    The attention stays transformers' default, sdpa: eager is no faster. The figures are in docs/benchmarks.md.
    """
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.startswith("mps"):
        return "float16"
    return "bfloat16" if _bfloat16_to_float32() < _TOO_SLOW else "float32"


def _bfloat16_to_float32() -> float:
    """Time products of matrices on the CPU, which a prompt consists of: torch does not report what it emulates."""
    import torch

    best = {torch.bfloat16: math.inf, torch.float32: math.inf}
    for _ in range(8):  # the first round warms up; the formats take turns, so that other load meets both
        for dtype, fastest in best.items():
            rows = torch.ones(64, 1536, dtype=dtype)
            weight = torch.ones(4096, 1536, dtype=dtype)
            started = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            best[dtype] = min(fastest, time.perf_counter() - started)
    return best[torch.bfloat16] / best[torch.float32]


def _load(name: str, device: str | None, dtype: str | None, token: str | None) -> Checkpoint:
    from huggingface_hub import HfApi

    if Path(name).expanduser().is_dir():
        return _read(str(Path(name).expanduser()), device, dtype, token, local=True)
    model, revision = split_revision(name)
    if not is_model_id(model):
        raise FileNotFoundError(f"{name} is neither a folder nor the id of a model (org/name, or org/name@revision)")
    try:  # a complete copy in the cache needs no network, and is not looked up again on every start
        return _read(model, device, dtype, token, revision=revision, local=True)
    except (OSError, ValueError):
        HfApi(token=token).model_info(model, revision=revision, timeout=CHECKPOINT_TIMEOUT)
        return _read(model, device, dtype, token, revision=revision, local=False)


def _read(  # noqa: PLR0913 (all that the two loaders take)
    name: str, device: str | None, dtype: str | None, token: str | None, *, revision: str | None = None, local: bool
) -> Checkpoint:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = device or pick_device()
    number_format = getattr(torch, dtype or pick_dtype(device))
    options: dict[str, Any] = {"token": token, "local_files_only": local, "revision": revision or "main"}
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    tokenizer.model_max_length = 10**9  # the router keeps to its own budget; the tokenizer would warn about long texts
    if not tokenizer.chat_template:
        raise ValueError("its tokenizer has no chat template")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(name, dtype=number_format, **options)
    return Checkpoint(tokenizer, model.to(device).eval())


def _remedy(name: str, error: Exception, token: str | None) -> str:
    cause = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if token:
        cause = cause.replace(token, "***")
    remedy = (
        f"The router checkpoint {name} could not be loaded ({cause}). "
        f"Use --router semantic, which needs no checkpoint, or name a folder that holds one with --router-model PATH."
    )
    model = name.partition("@")[0]
    if not is_model_id(model):
        return remedy
    return (
        f"{remedy} To download it from the Hub, check the network connection; if it is gated, accept its licence at "
        f"https://huggingface.co/{model} and log in (hf auth login, or HF_TOKEN)."
    )
