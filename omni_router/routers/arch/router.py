"""The `arch` router: a local model that was tuned to choose routes, by default Arch-Router, through transformers."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.routers.arch.checkpoint import Checkpoint, load_checkpoint
from omni_router.routers.arch.decoding import Decoder, PrefixCachePool
from omni_router.routers.arch.reply_form import AFTER_MODEL, CLOSED_ID, OPENING, Encode, IdPattern, ReplyForm
from omni_router.routers.budget import fit
from omni_router.routers.prompt import PROMPTS, PromptForm
from omni_router.routers.protocol import BaseRouter, Reply, RouteOption, RouteProbabilities, Turn

ARCH_ROUTER = "katanemo/Arch-Router-1.5B"  # its licence does not allow bundling the weights: they are downloaded

# Ten routes with their candidates take about 1,500 tokens; the rest is more talk than a choice needs, and on a CPU
# every further thousand costs seconds.
MAX_PROMPT_TOKENS = 4096
MAX_REPLY_TOKENS = 128  # room for the form around a reason: two names of the policy and the catalog
# Prompts whose computation is kept: with and without the routes for images, of two policies. At the shape of
# Arch-Router a token takes 28 KB in bfloat16, so a prompt some 50 MB.
CACHED_PROMPTS = 4


class ArchRouter(BaseRouter):
    """Fills in the reply with a causal language model, greedily; loads it once, on first use.

    What a prompt shares with an earlier one is not computed again, which is all but the conversation. The fixed parts
    of the reply are not generated, and a name is chosen in as many steps as it takes to tell it from the others.
    """

    def __init__(  # noqa: PLR0913 (each has a default, and all but the first are passed by name)
        self,
        model: str = ARCH_ROUTER,
        *,
        prompt: PromptForm = "json",
        max_prompt_tokens: int = MAX_PROMPT_TOKENS,
        reason_tokens: int = 0,
        new_ids: bool = False,
        device: str | None = None,
        dtype: str | None = None,
        token: Callable[[], str | None] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Keep the arguments; nothing is loaded yet.

        Args:
            model: the id of a checkpoint on the Hub, or a folder.
            prompt: the form of the prompt; `trained` is Arch-Router's own form and gets a route only.
            max_prompt_tokens: for the whole prompt, routes and chat template included.
            reason_tokens: for a reason in the model's own words, which costs a step each; 0: its probability, instead.
            new_ids: let the model write an id that is not among the candidates; the catalog then checks it.
            device: as torch names it; None chooses cuda, else mps, else cpu.
            dtype: as torch names it, such as "bfloat16"; None chooses by device.
            token: returns a Hugging Face token when the checkpoint is loaded.
            checkpoint: one that is loaded already; then nothing is loaded, and `model` is only a name.
        """
        if prompt not in PROMPTS:
            raise ConfigurationError(f"Unknown prompt form {prompt!r}; allowed are {', '.join(PROMPTS)}.")
        self.model, self.prompt, self.device, self.dtype = model, prompt, device, dtype
        self._token, self._max_prompt_tokens = token, max_prompt_tokens
        self._reason_tokens, self._new_ids = reason_tokens, new_ids
        self._given_checkpoint = checkpoint
        self._loaded: _LoadedModel | None = None
        # One lock for loading and for generating. Two generations at once on one device take as long as one after the
        # other, with twice the memory, and on a CPU longer, as their threads get in each other's way.
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load the checkpoint unless it is loaded.

        Raises:
            ConfigurationError: it cannot be loaded; the next call tries again.
        """
        with self._lock:
            self._load()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Fill in the reply: the most probable route, its probability, and in the `json` form a model of its own.

        Waits while the request of another thread is answered.

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, or the routes alone fill the prompt.
        """
        with self._lock:
            loaded = self._load()
            decoder = self._started(loaded, conversation, routes)
            form = ReplyForm(routes, self.prompt, self._reason_tokens, loaded.new_ids)
            return form.fill(decoder, loaded.encode, loaded.stops, loaded.decode)

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return how probable each route is; the model runs wherever their names differ.

        Waits while the request of another thread is answered.

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, or the routes alone fill the prompt.
        """
        with self._lock:
            loaded = self._load()
            decoder = self._started(loaded, conversation, routes)
            return ReplyForm(routes, self.prompt, 0).probabilities(decoder, loaded.encode)

    def prompt_tokens(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> list[int]:
        """Return the tokens of the prompt for a request: chat template included, cut to the budget.

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, or the routes alone fill the prompt.
        """
        with self._lock:
            return self._encoded_prompt(self._load().checkpoint, conversation, routes)

    def _load(self) -> "_LoadedModel":
        if self._loaded is None:
            checkpoint = self._given_checkpoint or load_checkpoint(
                self.model, device=self.device, dtype=self.dtype, token=self._token() if self._token else None
            )
            self._loaded = _LoadedModel(checkpoint, writes_reasons=self._reason_tokens > 0, writes_ids=self._new_ids)
        return self._loaded

    def _started(self, loaded: "_LoadedModel", conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Decoder:
        """Return a decoder that begins with the prompt and the opening of the reply."""
        prompt = self._encoded_prompt(loaded.checkpoint, conversation, routes)
        return loaded.prompts.start([*prompt, *loaded.encode(OPENING[self.prompt])])

    def _encoded_prompt(
        self, checkpoint: Checkpoint, conversation: Sequence[Turn], routes: Sequence[RouteOption]
    ) -> list[int]:
        """Tokenize the prompt within the budget and the positions of the model."""
        encoded: dict[tuple[str, ...], list[int]] = {}  # the prompt that was counted last is the one that is sent

        def encode(turns: Sequence[Turn]) -> list[int]:
            key = tuple(turn["content"] for turn in turns)
            if key not in encoded:
                message = {"role": "user", "content": PROMPTS[self.prompt](turns, routes)}
                encoded[key] = checkpoint.tokenizer.apply_chat_template(
                    [message], add_generation_prompt=True, return_dict=True
                )["input_ids"]
            return encoded[key]

        positions = getattr(checkpoint.model.config, "max_position_embeddings", None) or self._max_prompt_tokens * 2
        limit = min(self._max_prompt_tokens, positions - MAX_REPLY_TOKENS - self._reason_tokens)
        return encode(fit(conversation, limit, lambda turns: len(encode(turns))))


class _LoadedModel:
    """A checkpoint, and what is computed once from its vocabulary."""

    def __init__(self, checkpoint: Checkpoint, *, writes_reasons: bool, writes_ids: bool) -> None:
        self.checkpoint = checkpoint
        self.prompts = PrefixCachePool(checkpoint.model, CACHED_PROMPTS)
        self.encode = _encoder(checkpoint.tokenizer)
        self.decode = partial(checkpoint.tokenizer.decode, skip_special_tokens=True)
        self.stops: Any = _reason_ends(checkpoint) if writes_reasons else None
        self.new_ids: IdPattern | None = None
        if writes_ids:
            closing = self.encode(CLOSED_ID + AFTER_MODEL)[0]
            self.new_ids = IdPattern(checkpoint.tokenizer, checkpoint.model.config.vocab_size, closing)


def _encoder(tokenizer: Any) -> Encode:
    def encode(text: str) -> Sequence[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[no-any-return]

    return encode


def _reason_ends(checkpoint: Checkpoint) -> Any:
    """Mark the tokens that end a JSON string, and those that end a reply."""
    import torch

    stops = torch.zeros(checkpoint.model.config.vocab_size, dtype=torch.bool)
    stops[[number for text, number in checkpoint.tokenizer.get_vocab().items() if '"' in text]] = True
    stops[checkpoint.tokenizer.eos_token_id] = True
    return stops
