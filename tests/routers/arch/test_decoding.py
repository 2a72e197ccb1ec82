"""Filling in a reply: the same as the model would write under the same constraint, for a fraction of the reading."""

import itertools
import json
import os
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shape import random_model
from omni_router.routers import Turn
from omni_router.routers.arch.checkpoint import Checkpoint, load_checkpoint
from omni_router.routers.arch.decoding import Decoder, PrefixCachePool, cache_argument
from omni_router.routers.arch.reply_form import AFTER_MODEL, AFTER_ROUTE, OPENING
from omni_router.routers.arch.router import ArchRouter
from omni_router.tasks import OTHER
from tests.support.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES

FULL_SHAPE_NEEDS = 6  # GB; the weights in bfloat16 are 3.1
# Reading in pieces rounds elsewhere than reading at once: after 28 layers in bfloat16 a logit differs by 0.02 (standard
# deviation). Two options closer than this ratio of their probabilities, 0.1 in logits, are a draw.
CLEAR = 1.1
PROMPT = [5, 6, 7, 8, 9, 10, 11, 12]


def small_model() -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(3)
    model: Any = Qwen2ForCausalLM(Qwen2Config(vocab_size=300, num_hidden_layers=2, **sizes))
    return model.eval()


def gigabytes_available() -> float:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists() and (match := re.search(r"MemAvailable:\s*(\d+) kB", meminfo.read_text())):
        return int(match[1]) / 1e6
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


@pytest.fixture(scope="module")
def small() -> Any:
    return small_model()


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(str(tiny_checkpoint), device=None, dtype=None, token=None)


@pytest.fixture(scope="module")
def tiny_router(checkpoint: Checkpoint) -> ArchRouter:
    return ArchRouter(checkpoint=checkpoint)


class Counting:
    """A model that counts the tokens it reads."""

    def __init__(self, model: Any) -> None:
        self.model, self.device, self.read = model, model.device, list[int]()
        self.forward = model.forward  # its signature is looked at
        self.config = model.config

    def __call__(self, *, input_ids: Any, **more: Any) -> Any:
        self.read.append(input_ids.shape[1])
        return self.model(input_ids=input_ids, **more)


class BeforeTheRenaming:
    """A model that takes its cache as the releases of transformers before 5.24 do, whichever is installed."""

    def __init__(self, model: Any) -> None:
        self.model, self.device = model, model.device

    def forward(self, *, input_ids: Any, past_key_values: Any, **more: Any) -> Any:
        return self.model(input_ids=input_ids, **{cache_argument(self.model): past_key_values}, **more)

    __call__ = forward


class AfterTheRenaming:
    """A model that takes its cache as the releases of transformers from 5.24 on do, whichever is installed."""

    def __init__(self, model: Any) -> None:
        self.model, self.device = model, model.device

    def forward(self, *, input_ids: Any, cache: Any, **more: Any) -> Any:
        return self.model(input_ids=input_ids, **{cache_argument(self.model): cache}, **more)

    __call__ = forward


def generated(model: Any, prompt: Sequence[int], options: Sequence[Sequence[int]]) -> list[int]:
    """Return the option that plain greedy `generate` writes when nothing else is allowed."""
    import torch

    longest = max(map(len, options))
    padded = [[*option, *[0] * (longest - len(option))] for option in options]

    def allowed(_: int, tokens: Any) -> list[int]:
        so_far = tokens.tolist()[len(prompt) :]
        return [option[len(so_far)] for option in padded if option[: len(so_far)] == so_far]

    output = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=longest,
        min_new_tokens=longest,
        prefix_allowed_tokens_fn=allowed,
        pad_token_id=0,
        eos_token_id=None,
    )
    return list(options[padded.index(output[0, len(prompt) :].tolist())])


def random_options(chance: random.Random, size: int) -> list[list[int]]:
    """Options of one length, many of which begin alike."""
    options = {tuple(chance.choice([20, 21, 22]) for _ in range(4)) for _ in range(size)}
    return [list(option) for option in sorted(options)]


def test_choices_are_those_of_generate_under_the_same_constraint(small: Any) -> None:
    chance = random.Random(4)
    reader = Decoder(small)
    for _ in range(40):
        prompt = [chance.randrange(300) for _ in range(chance.randint(2, 30))]
        options = random_options(chance, 9)
        reader.start(prompt)
        assert options[reader.choose(options).option] == generated(small, prompt, options)


@pytest.mark.skipif(gigabytes_available() < FULL_SHAPE_NEEDS, reason=f"{FULL_SHAPE_NEEDS} GB of memory are not free")
def test_so_they_are_with_all_layers_of_arch_routers_shape() -> None:
    model, chance = random_model(), random.Random(6)
    reader, compared = Decoder(model), 0
    shared = [chance.randrange(151_936) for _ in range(40)]
    for _ in range(6):
        prompt = [*shared, *(chance.randrange(151_936) for _ in range(chance.randint(2, 12)))]
        options = random_options(chance, 9)
        reader.start(prompt)
        chosen = reader.choose(options)
        if chosen.probability < CLEAR * chosen.runner_up:
            continue
        assert options[chosen.option] == generated(model, prompt, options)
        compared += 1
    assert compared > 1


def test_two_choices_after_each_other_are_those_of_generate(small: Any) -> None:
    chance = random.Random(5)
    first, second = random_options(chance, 6), random_options(chance, 6)
    reader = Decoder(small)
    reader.start(PROMPT)
    one = first[reader.choose(first).option]
    reader.append([30, 31])
    other = second[reader.choose(second).option]
    both = [[*a, 30, 31, *b] for a, b in itertools.product(first, second)]
    assert [*one, 30, 31, *other] == generated(small, PROMPT, both)


def test_probabilities_are_those_of_the_options_and_add_up(small: Any) -> None:
    import torch

    options = [[20, 40], [21, 41], [22, 42]]
    reader = Decoder(small)
    reader.start(PROMPT)
    chosen = reader.choose(options)
    with torch.inference_mode():
        shares = small(torch.tensor([PROMPT])).logits[0, -1][[20, 21, 22]].softmax(0)
    assert chosen.probability == pytest.approx(float(shares.max()), abs=1e-4)
    assert chosen.runner_up == pytest.approx(float(shares.sort().values[-2]), abs=1e-4)


def test_a_single_option_costs_no_step(small: Any) -> None:
    model = Counting(small)
    reader = Decoder(model)
    reader.start(PROMPT)
    assert reader.choose([[1, 2, 3]]) == (0, 1.0, 0.0)
    assert model.read == []


def test_what_was_read_before_is_not_read_again(small: Any) -> None:
    model = Counting(small)
    reader = Decoder(model)
    options = [[20, 40, 50], [21, 41, 50]]
    reader.start(PROMPT)
    reader.choose(options)
    assert model.read == [8], "one step, where the options differ"
    reader.start([*PROMPT[:6], 13, 14, 15])
    reader.choose(options)
    assert model.read == [8, 3]
    reader.start(PROMPT[:6])
    reader.choose(options)
    assert model.read == [8, 3, 1], "the last one is read anew, for what it says comes next"


@pytest.mark.parametrize("kind", [BeforeTheRenaming, AfterTheRenaming])
def test_the_cache_is_handed_over_under_the_name_that_the_model_takes(
    small: Any, kind: type[BeforeTheRenaming | AfterTheRenaming]
) -> None:
    expected, reader = Decoder(small), Decoder(kind(small))
    for each in (expected, reader):
        each.start(PROMPT)
    options = [[20, 40, 50], [21, 41, 50], [20, 41, 50]]
    assert reader.choose(options) == expected.choose(options)


def test_alternating_prompts_keep_a_decoder_each_and_there_are_no_more_than_allowed(small: Any) -> None:
    model = Counting(small)
    pool = PrefixCachePool(model, size=2)
    prompts = [[n] * 10 for n in (60, 61, 62)]
    for prompt in (prompts[0], prompts[1], prompts[0], prompts[1]):
        pool.start(prompt).choose([[20], [21]])
    assert model.read == [10, 10, 1, 1]
    pool.start(prompts[2]).choose([[20], [21]])
    assert len(pool) == 2
    pool.start(prompts[1]).choose([[20], [21]])
    assert model.read == [10, 10, 1, 1, 10, 1], "the one used longest ago had to go"


UNSEEN = ["Hi", "Sort a list in Go", "A watercolour of a lighthouse", "Who is in the photo?", "asdf"]


@pytest.mark.parametrize("prompt", [*TINY_PAIRS, *UNSEEN])
def test_the_route_is_that_of_generate_on_a_real_checkpoint(
    tiny_router: ArchRouter, checkpoint: Checkpoint, prompt: str
) -> None:
    offered = [replace(route, candidates=(*route.candidates, "sandbox/another-2")) for route in TINY_ROUTES]
    turns = [Turn(role="user", content=prompt)]

    def encode(text: str) -> list[int]:
        return list(checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"])

    replies: dict[tuple[str, str | None], list[int]] = {
        (route.name, model): encode(route.name + AFTER_ROUTE["json"]) + encode(f' "{model}"{AFTER_MODEL}')
        for route in offered
        for model in route.candidates
    }
    replies["other", None] = encode(OTHER + AFTER_ROUTE["json"]) + encode(f" null{AFTER_MODEL}")
    tokens = [*tiny_router.prompt_tokens(turns, offered), *encode(OPENING["json"])]
    written = generated(checkpoint.model, tokens, list(replies.values()))
    reply = json.loads(tiny_router.reply(turns, offered).text)
    assert replies[reply["route"], reply["model"]] == written


def test_the_router_reads_its_routes_once(checkpoint: Checkpoint) -> None:
    counting = Counting(checkpoint.model)
    router = ArchRouter(checkpoint=Checkpoint(checkpoint.tokenizer, counting))
    for prompt in TINY_PAIRS:
        router.reply([Turn(role="user", content=prompt)], TINY_ROUTES)
    first, *others = counting.read
    assert first > 200
    assert max(others) < first / 3
    assert len(counting.read) < 3 * len(TINY_PAIRS), "a step or two a reply, for forty tokens of it"


@pytest.mark.parametrize("seed", range(5))
def test_the_probabilities_of_all_options_are_those_of_reading_each_alone(small: Any, seed: int) -> None:
    import torch

    dice = random.Random(seed)
    options = [[dice.choice((20, 21)), dice.choice((22, 23)), 30 + index, 99] for index in range(6)]
    decoder = Decoder(small)
    decoder.start(PROMPT)
    probabilities = decoder.probabilities(options)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    for option, probability in zip(options, probabilities, strict=True):
        expected = 1.0
        for depth, token in enumerate(option):
            allowed = sorted({each[depth] for each in options if each[:depth] == option[:depth]})
            with torch.inference_mode():
                logits = small(input_ids=torch.tensor([[*PROMPT, *option[:depth]]])).logits[0, -1]
            expected *= float(logits[allowed].softmax(0)[allowed.index(token)])
        assert probability == pytest.approx(expected, abs=1e-4)


def test_after_the_probabilities_it_goes_on_where_it_was(small: Any) -> None:
    first, second = Decoder(small), Decoder(small)
    for decoder in (first, second):
        decoder.start(PROMPT)
    first.probabilities([[20, 99], [21, 99], [22, 23]])
    assert first.next_scores().tolist() == pytest.approx(second.next_scores().tolist(), abs=1e-4)
