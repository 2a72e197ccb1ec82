"""The arch router's reply on transformers against llama.cpp, on the same random weights and the same prompts.

It needs two more packages, of which one is compiled (ten minutes): pip install llama-cpp-python gguf

    python -m benchmarks.llama_cpp --layers 28 --rounds 3

The weights are written to a GGUF file (3.1 GB for all layers, deleted afterwards). What is compared: the whole reply,
written greedily, with nothing kept and with the beginning of the prompt kept; and the reply filled in, which asks the
model only where there is a choice. llama.cpp is asked for the latter in the same way, by the same code.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.arch import CHANGING, FIXED, REPLY, Case
from benchmarks.report import in_turns, ratio, spread, table, write_section
from benchmarks.shape import LAYERS, SHAPE, random_model
from omni_router.routers.arch.checkpoint import pick_dtype
from omni_router.routers.arch.decoding import Decoder

REPLIES = 10  # whose choices are compared
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # of transformers and of llama.cpp


def write_gguf(model: Any, path: Path, dtype: str) -> None:
    """Write a Qwen2 as GGUF, its matrices in float16 or bfloat16, without a vocabulary: tokens are numbers."""
    import gguf

    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(model.config.num_hidden_layers)
    writer.add_context_length(SHAPE["max_position_embeddings"])
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_head_count(SHAPE["num_attention_heads"])
    writer.add_head_count_kv(SHAPE["num_key_value_heads"])
    writer.add_rope_freq_base(SHAPE["rope_theta"])
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(SHAPE["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16 if dtype == "bfloat16" else gguf.LlamaFileType.MOSTLY_F16)
    for name, weight in model.named_parameters():  # the head is the embedding, and comes once
        if weight.dim() == 1:
            writer.add_tensor(_gguf_name(name), weight.detach().float().numpy())
        elif dtype == "float16":
            writer.add_tensor(_gguf_name(name), weight.detach().half().numpy())
        else:
            bits = weight.detach().bfloat16().view(torch.uint8).numpy()
            writer.add_tensor(_gguf_name(name), bits, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_name(name: str) -> str:
    if name.startswith("model.layers."):
        _, _, number, rest = name.split(".", 3)
        module, _, leaf = rest.rpartition(".")
        return f"blk.{number}.{NAMES[module]}.{leaf}"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


class LlamaReader(Decoder):
    """The reader of `arch`, with llama.cpp to read."""

    def __init__(self, llama: Any) -> None:
        self._model, self._cache = llama, self
        self._read, self._unread = [], []

    def crop(self, by: int) -> None:
        """Forget so many tokens, a number below zero; llama.cpp drops what lies behind the rest when it reads on."""
        self._model.n_tokens += by

    def next_scores(self) -> torch.Tensor:
        """Read what is unread, and give the logits of the token after it."""
        import numpy as np

        self._model.eval(self._unread)
        self._read += self._unread
        self._unread = []
        scores = self._model._ctx.get_logits_ith(-1)  # noqa: SLF001 (nothing public gives them)
        return torch.from_numpy(np.ctypeslib.as_array(scores, (SHAPE["vocab_size"],)))


class Engine(Case):
    """The four ways to a reply, on transformers."""

    def written(self, *, reuse: bool) -> list[int]:
        """Write 45 tokens greedily."""
        reader = self.reader([*self.fixed, *self.tokens(CHANGING)], reuse=reuse)
        return reader.write(torch.zeros(SHAPE["vocab_size"], dtype=torch.bool), REPLY)

    def replies(self) -> list[tuple[int, int]]:
        """Fill in replies to the same prompts as every other engine."""
        self.chance = random.Random(7)
        return [self.fill() for _ in range(REPLIES)]


class LlamaEngine(Engine):
    """The same, on llama.cpp."""

    def __init__(self, model: Any, llama: Any) -> None:
        super().__init__(model)
        self._reader = LlamaReader(llama)

    def reader(self, prompt: list[int], *, reuse: bool = True) -> Decoder:
        """Return the only decoder, which may have to forget what it has read."""
        if not reuse:
            self._reader.start([-1])  # no prompt begins like this
        self._reader.start(prompt)
        return self._reader


WAYS: dict[str, Callable[[Engine], object]] = {
    f"{REPLY} tokens written, nothing kept": lambda engine: engine.written(reuse=False),
    f"{REPLY} tokens written, {FIXED} of the prompt kept": lambda engine: engine.written(reuse=True),
    "filled in, nothing kept": lambda engine: engine.fill(reuse=False),
    f"filled in, {FIXED} of the prompt kept": lambda engine: engine.fill(reuse=True),
}


def measure(layers: int, rounds: int, dtype: str, clock: Callable[[], float]) -> str:
    """Measure, and give the section."""
    import llama_cpp

    model = random_model(layers, pick_dtype("cpu"))
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.gguf"
        write_gguf(model, path, dtype)
        most = FIXED + CHANGING + 2 * REPLY
        sizes = {"n_ctx": most, "n_batch": most, "n_ubatch": most, "n_threads": threads, "n_threads_batch": threads}
        llama = llama_cpp.Llama(str(path), use_mmap=False, flash_attn=True, verbose=False, **sizes)
    engines = {"transformers": Engine(model), "llama.cpp": LlamaEngine(model, llama)}
    times = in_turns(
        {f"{way}/{name}": partial(call, engine) for way, call in WAYS.items() for name, engine in engines.items()},
        rounds,
        1,
        clock,
    )
    rows = [
        [
            way,
            *(spread(times[f"{way}/{name}"]) for name in engines),
            ratio(times[f"{way}/llama.cpp"], times[f"{way}/transformers"]),
        ]
        for way in WAYS
    ]
    same = sum(a == b for a, b in zip(*(engine.replies() for engine in engines.values()), strict=True))
    return (
        f"Random weights of Arch-Router's shape, {layers} of {LAYERS} layers, on {threads} of {os.cpu_count()} CPU "
        f"cores; seconds {'of CPU time' if threads == 1 else 'by the clock'}. transformers with "
        f"{pick_dtype('cpu')}; llama-cpp-python {llama_cpp.__version__} with {dtype}, flash attention and the whole "
        f"prompt in one batch. A prompt of {FIXED + CHANGING} tokens; both engines fill in by the same code.\n\n"
        + table(["reply", *engines, "llama.cpp to transformers"], rows)
        + f"\n\nThe same route and model: {same} of {REPLIES}."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=LAYERS, help=f"of {LAYERS}; fewer to be quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16", help="of llama.cpp (float16)")
    parser.add_argument(
        "--cpu-time", action="store_true", help="of one thread, instead of the clock: for a CPU that others use too"
    )
    given = parser.parse_args()
    if missing := [name for name in ("llama_cpp", "gguf") if find_spec(name) is None]:
        parser.error(f"{' and '.join(missing)} cannot be imported: pip install llama-cpp-python gguf (it compiles)")
    if given.cpu_time:
        torch.set_num_threads(1)
    clock = time.process_time if given.cpu_time else time.perf_counter
    write_section("The arch router against llama.cpp", measure(given.layers, given.rounds, given.dtype, clock))
