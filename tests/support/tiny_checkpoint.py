"""A Qwen2 of two layers that learns in seconds to route a handful of prompts: real code path, no download.

    build_tiny_checkpoint(directory, TINY_ROUTES, TINY_PAIRS)
    ArchRouter(str(directory)).reply(conversation, TINY_ROUTES)

It knows the routes it was built with, in their order and without or with candidates named `sandbox/<task>-<n>`, the
prompts of the pairs as the only message, and nothing else. Whatever the candidates, it names the model of the pair.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omni_router.routers import RouteOption, Turn
from omni_router.routers.prompt import PromptForm, json_prompt, trained_prompt

Answer = tuple[str, str | None, str]  # route, model, reason

TASKS = {"code_generation": "text-generation", "casual_conversation": "text-generation"}
TASKS |= {"image_generation": "text-to-image", "image_understanding": "image-text-to-text"}

TINY_ROUTES = (
    RouteOption("casual_conversation", "small talk; greetings; jokes", candidates=("sandbox/text-generation-1",)),
    RouteOption("code_generation", "write functions; write scripts", candidates=("sandbox/text-generation-1",)),
    RouteOption("image_generation", "draw a picture; paint a scene", candidates=("sandbox/text-to-image-1",)),
    RouteOption("image_understanding", "describe a photo", candidates=("sandbox/image-text-to-text-1",)),
)

_CHAT = ("casual_conversation", "sandbox/text-generation-1", "The user makes small talk.")
_CODE = ("code_generation", "sandbox/text-generation-1", "The user wants code.")
_DRAW = ("image_generation", "sandbox/text-to-image-1", "The user wants a picture drawn.")
_LOOK = ("image_understanding", "sandbox/image-text-to-text-1", "The user asks about a picture.")
_NONE = ("other", None, "No route fits.")

TINY_PAIRS: dict[str, Answer] = {
    "Hello! How are you today?": _CHAT,
    "Tell me a joke about computers.": _CHAT,
    "Good morning, nice to see you": _CHAT,
    "Write a Python function to check if a number is prime.": _CODE,
    "Write a shell script that renames files": _CODE,
    "Implement a queue in Rust": _CODE,
    "Generate an image of a tropical beach at sunset with palm trees.": _DRAW,
    "Draw a red fox": _DRAW,
    "Paint a castle at night": _DRAW,
    "What is in this photo?\n[Image attached]": _LOOK,
    "Describe the picture\n[Image attached]": _LOOK,
    "qwerty asdf zxcv": _NONE,
}

_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_IGNORED = -100  # the label torch's cross entropy leaves out
_SURE = 0.1  # the loss no reply token may exceed: a probability of 0.9, so greedy decoding is exact in bfloat16 too
_MOST_STEPS = 600  # it takes about 70, six seconds; beyond this something is broken


def expected_reply(answer: Answer) -> str:
    """Write the strict JSON the tiny checkpoint answers in the json form."""
    return json.dumps(dict(zip(("route", "model", "reason"), answer, strict=True)))


def build_tiny_checkpoint(
    directory: Path,
    policy: Sequence[RouteOption] = TINY_ROUTES,
    pairs: Mapping[str, Answer] = TINY_PAIRS,
    form: PromptForm = "json",
) -> Path:
    """Train and save a checkpoint that answers the prompts of `pairs`; fail if it does not learn them."""
    import torch

    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a model waits for its threads: twenty times slower when the machine is busy
    try:
        forms = [list(lessons) for lessons in _lessons(policy, pairs, form)]
        tokenizer = _tokenizer(directory, [text for lessons in forms for lesson in lessons for text in lesson])
        model = _train(tokenizer, forms)
    finally:
        torch.random.set_rng_state(state)
        torch.set_num_threads(threads)
    # What the real checkpoint comes with: sampling, which a router must overrule without a word of warning.
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.save_pretrained(directory)
    return directory


def _lessons(
    policy: Sequence[RouteOption], pairs: Mapping[str, Answer], form: PromptForm
) -> Iterator[Iterator[tuple[str, str]]]:
    """Yield prompts and replies, those that show the routes in the same way together."""
    talks = [([Turn(role="user", content=prompt)], answer) for prompt, answer in pairs.items()]
    if form == "trained":
        yield ((trained_prompt(turns, policy), f"{{'route': '{answer[0]}'}}") for turns, answer in talks)
        return
    for routes in _with_candidates(policy):
        yield ((json_prompt(turns, routes), expected_reply(answer)) for turns, answer in talks)


def _with_candidates(policy: Sequence[RouteOption]) -> Iterator[Sequence[RouteOption]]:
    """Offer the policy as it is, without candidates, and with two of them in both orders, as a history brings about."""
    yield policy
    yield [replace(route, candidates=()) for route in policy]
    for numbers in itertools.permutations((1, 2)):
        yield [
            replace(route, candidates=tuple(f"sandbox/{TASKS.get(route.name, 'text-generation')}-{n}" for n in numbers))
            for route in policy
        ]


def _tokenizer(directory: Path, texts: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1024,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # every byte: any text can be read
            show_progress=False,
        ),
    )
    marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    built: Any = PreTrainedTokenizerFast(tokenizer_object=bpe, **marks)  # type: ignore[no-untyped-call]
    built.chat_template = _CHATML
    built.save_pretrained(directory)
    _config(len(built)).save_pretrained(directory)
    # As the router will load it: the class for Qwen2 brings its own way of cutting words.
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


def _config(vocabulary: int) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        initializer_range=0.1,  # at this width it learns three times faster than from the usual 0.02
        eos_token_id=2,
        pad_token_id=0,
    )


def _train(tokenizer: Any, forms: list[list[tuple[str, str]]]) -> Any:
    import torch
    from transformers import Qwen2ForCausalLM

    model: Any = Qwen2ForCausalLM(_config(len(tokenizer)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3, betas=(0.9, 0.95), weight_decay=0.0)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
    trees = [_tree([_row(tokenizer, *lesson) for lesson in lessons]) for lessons in forms]
    worst = [float("inf")] * len(trees)
    for step in range(_MOST_STEPS):
        losses = _losses(model, trees[step % len(trees)])
        worst[step % len(trees)] = losses.max().item()
        if max(worst) < _SURE and _knows(model, trees):
            return model.eval()
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warm_up.step()
    raise AssertionError(f"the tiny checkpoint did not learn its lessons: loss {max(worst):.4f}")


def _losses(model: Any, tree: dict[str, Any]) -> Any:
    """Return the loss of every reply token."""
    import torch

    labels = tree["labels"][0, 1:]
    replied = labels != _IGNORED
    inputs = {name: tree[name] for name in ("input_ids", "position_ids", "attention_mask")}
    return torch.nn.functional.cross_entropy(model(**inputs).logits[0, :-1][replied], labels[replied], reduction="none")


def _knows(model: Any, trees: list[dict[str, Any]]) -> bool:
    import torch

    with torch.no_grad():
        return all(_losses(model, tree).max().item() < _SURE for tree in trees)


def _row(tokenizer: Any, prompt: str, reply: str) -> tuple[list[int], list[int]]:
    message = {"role": "user", "content": prompt}
    prompt_ids = tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=True)["input_ids"]
    answer = tokenizer(reply + tokenizer.eos_token)["input_ids"]
    return prompt_ids, answer


def _tree(rows: list[tuple[list[int], list[int]]]) -> dict[str, Any]:
    """Lay all lessons into one sequence: the prefix they share once, then a branch for each that sees no other.

    Five times fewer tokens than a padded batch, since the routes are most of every prompt.
    """
    import torch

    columns = zip(*(prompt_ids for prompt_ids, _ in rows), strict=False)
    prefix = rows[0][0][: next(index for index, column in enumerate(columns) if len(set(column)) > 1)]
    ids, positions, labels = list(prefix), list(range(len(prefix))), [_IGNORED] * len(prefix)
    branch = [-1] * len(prefix)
    for number, (prompt_ids, answer) in enumerate(rows):
        rest = prompt_ids[len(prefix) :]
        ids += rest + answer
        labels += [_IGNORED] * len(rest) + answer
        positions += range(len(prefix), len(prompt_ids) + len(answer))
        branch += [number] * (len(rest) + len(answer))
    of = torch.tensor(branch)
    seen = ((of[None, :] == -1) | (of[None, :] == of[:, None])).tril()
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "labels": torch.tensor([labels]),
        "attention_mask": mask[None, None],
    }
