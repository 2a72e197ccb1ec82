"""The `arch` router: a local model that was tuned to choose routes, by default Arch-Router, through transformers."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from omni_router.errors import ConfigurationError
from omni_router.routers.arch.checkpoint import Checkpoint, load_checkpoint
from omni_router.routers.arch.decoding import Shelf
from omni_router.routers.arch.id_pattern import IdPattern
from omni_router.routers.arch.reply_form import AFTER_MODEL, CLOSED_ID, OPENING, Encode, Form
from omni_router.routers.budget import fit
from omni_router.routers.prompt import PROMPTS, PromptForm
from omni_router.routers.protocol import Reply, RouteOption, Turn

ARCH_ROUTER = "katanemo/Arch-Router-1.5B"  # its licence does not allow to bundle the weights: they are downloaded

# Ten routes with their candidates take about 1,500 tokens; the rest is more talk than a choice needs, and on a CPU
# every further thousand costs seconds.
MAX_PROMPT_TOKENS = 4096
MAX_REPLY_TOKENS = 128  # room for the form around a reason: two names of the policy and the catalog
# Prompts whose computation is kept: with and without the routes for pictures, of two policies. At the shape of
# Arch-Router a token takes 28 KB in bfloat16, so a prompt some 50 MB.
PROMPTS_KEPT = 4


class ArchRouter:
    """Has a causal language model fill in the reply, greedily; loads it on first use, once.

    What a prompt has in common with one before is not computed again, which is all but the conversation. The fixed
    parts of the reply are not generated, and a name is chosen in as many steps as it takes to tell it from the others.
    """

    def __init__(  # noqa: PLR0913 (each has a default, all but the first are given by name)
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
    ) -> None:
        """Keep the arguments; nothing is loaded yet.

        Args:
            model: the id of a checkpoint on the Hub, or a folder.
            prompt: what the model is asked; `trained` is Arch-Router's own form and gets a route only.
            max_prompt_tokens: for the whole prompt, routes and chat template included.
            reason_tokens: for a reason in the model's own words, which costs a step each; 0: how sure it was, instead.
            new_ids: let the model write an id that is not among the candidates; the catalog is asked about it.
            device: as torch names it; None chooses cuda, else mps, else cpu.
            dtype: as torch names it, such as "bfloat16"; None chooses by device.
            token: asked for a Hugging Face token when the checkpoint is loaded.
        """
        if prompt not in PROMPTS:
            raise ConfigurationError(f"No prompt form is named {prompt!r}; there are {', '.join(PROMPTS)}.")
        self.model, self.prompt, self.device, self.dtype = model, prompt, device, dtype
        self._token, self._max_prompt_tokens, self._reason_tokens = token, max_prompt_tokens, reason_tokens
        self._checkpoint: Checkpoint | None = None
        self._shelf: Shelf | None = None
        self._stops: Any = None  # tokens that end a reason
        self._new_ids, self._ids = new_ids, cast("IdPattern | None", None)
        # One lock for loading and for generating. Two generations at once on one device take as long as one after the
        # other, with twice the memory, and on a CPU longer, as their threads get in each other's way.
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load the checkpoint unless it is loaded.

        Raises:
            ConfigurationError: it cannot be loaded; the next call tries again.
        """
        with self._lock:
            self._loaded()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Fill in the reply: the most probable route, its probability, and in the `json` form a model of its own.

        Waits while another thread's request is answered.

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, or the routes alone fill the prompt.
        """
        with self._lock:
            checkpoint = self._loaded()
            if self._shelf is None:
                self._shelf = Shelf(checkpoint.model, PROMPTS_KEPT)
            encode = _encoder(checkpoint.tokenizer)
            reader = self._shelf.take([*self._encoded(checkpoint, conversation, routes), *encode(OPENING[self.prompt])])
            form = Form(routes, self.prompt, self._reason_tokens, self._ids)
            return form.fill(
                reader, encode, self._stops, partial(checkpoint.tokenizer.decode, skip_special_tokens=True)
            )

    def _loaded(self) -> Checkpoint:
        if self._checkpoint is None:
            token = self._token() if self._token else None
            self._checkpoint = load_checkpoint(self.model, device=self.device, dtype=self.dtype, token=token)
            self._stops = _with_a_quote(self._checkpoint) if self._reason_tokens else None
            if self._new_ids:
                tokenizer, size = self._checkpoint.tokenizer, self._checkpoint.model.config.vocab_size
                self._ids = IdPattern(tokenizer, size, closing=_encoder(tokenizer)(CLOSED_ID + AFTER_MODEL)[0])
        return self._checkpoint

    def _encoded(
        self, checkpoint: Checkpoint, conversation: Sequence[Turn], routes: Sequence[RouteOption]
    ) -> list[int]:
        """Tokenize the prompt, chat template included, within the budget and the model's own reach."""
        known: dict[tuple[str, ...], list[int]] = {}  # what was counted last is what is sent

        def encode(turns: Sequence[Turn]) -> list[int]:
            key = tuple(turn["content"] for turn in turns)
            if key not in known:
                message = {"role": "user", "content": PROMPTS[self.prompt](turns, routes)}
                known[key] = checkpoint.tokenizer.apply_chat_template(
                    [message], add_generation_prompt=True, return_dict=True
                )["input_ids"]
            return known[key]

        reach = getattr(checkpoint.model.config, "max_position_embeddings", None) or self._max_prompt_tokens * 2
        limit = min(self._max_prompt_tokens, reach - MAX_REPLY_TOKENS - self._reason_tokens)
        return encode(fit(conversation, limit, lambda turns: len(encode(turns))))


def _encoder(tokenizer: Any) -> Encode:
    def encode(text: str) -> Sequence[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[no-any-return]

    return encode


def _with_a_quote(checkpoint: Checkpoint) -> Any:
    """Mark the tokens that end a JSON string, and those that end a reply."""
    import torch

    stops = torch.zeros(checkpoint.model.config.vocab_size, dtype=torch.bool)
    stops[[number for text, number in checkpoint.tokenizer.get_vocab().items() if '"' in text]] = True
    stops[checkpoint.tokenizer.eos_token_id] = True
    return stops
