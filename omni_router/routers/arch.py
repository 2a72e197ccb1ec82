"""The `arch` router: a local model that was tuned to choose routes, by default Arch-Router, through transformers."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.routers.budget import fit
from omni_router.routers.checkpoint import Checkpoint, load_checkpoint
from omni_router.routers.prompt import PROMPTS, PromptForm
from omni_router.routers.protocol import OfferedRoute, Reply, Turn

ARCH_ROUTER = "katanemo/Arch-Router-1.5B"  # its licence does not allow to bundle the weights: they are downloaded

# Ten routes with their candidates take about 1,500 tokens; the rest is more talk than a choice needs, and on a CPU
# every further thousand costs seconds.
MAX_PROMPT_TOKENS = 4096
# The JSON object with a long model id and a one-sentence reason takes about 60; the rest is for a longer reason. A
# reply that is cut off is still read.
MAX_NEW_TOKENS = 128


class ArchRouter:
    """Asks a causal language model for the route, greedily; loads it on first use, once."""

    def __init__(  # noqa: PLR0913 (each has a default, all but the first are given by name)
        self,
        model: str = ARCH_ROUTER,
        *,
        prompt: PromptForm = "json",
        max_prompt_tokens: int = MAX_PROMPT_TOKENS,
        max_new_tokens: int = MAX_NEW_TOKENS,
        device: str | None = None,
        dtype: str | None = None,
        token: Callable[[], str | None] | None = None,
    ) -> None:
        """Keep the arguments; nothing is loaded yet.

        Args:
            model: the id of a checkpoint on the Hub, or a folder.
            prompt: what the model is asked; `trained` is Arch-Router's own form and gets a route only.
            max_prompt_tokens: for the whole prompt, routes and chat template included.
            max_new_tokens: for the reply.
            device: as torch names it; None chooses cuda, else mps, else cpu.
            dtype: as torch names it, such as "bfloat16"; None chooses by device.
            token: asked for a Hugging Face token when the checkpoint is loaded.
        """
        if prompt not in PROMPTS:
            raise ConfigurationError(f"No prompt form is named {prompt!r}; there are {', '.join(PROMPTS)}.")
        self.model, self.device, self.dtype = model, device, dtype
        self._prompt, self._token = PROMPTS[prompt], token
        self._max_prompt_tokens, self._max_new_tokens = max_prompt_tokens, max_new_tokens
        self._checkpoint: Checkpoint | None = None
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

    def reply(self, conversation: Sequence[Turn], routes: Sequence[OfferedRoute]) -> Reply:
        """Give the model's words as they are. Waits while another thread's request is answered.

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, or the routes alone fill the prompt.
        """
        with self._lock:
            checkpoint = self._loaded()
            return Reply(self._generated(checkpoint, self._encoded(checkpoint, conversation, routes)))

    def _loaded(self) -> Checkpoint:
        if self._checkpoint is None:
            token = self._token() if self._token else None
            self._checkpoint = load_checkpoint(self.model, device=self.device, dtype=self.dtype, token=token)
        return self._checkpoint

    def _encoded(self, checkpoint: Checkpoint, conversation: Sequence[Turn], routes: Sequence[OfferedRoute]) -> Any:
        """Tokenize the prompt, chat template included, within the budget and the model's own reach."""

        def encode(turns: Sequence[Turn]) -> Any:
            message = {"role": "user", "content": self._prompt(turns, routes)}
            return checkpoint.tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=True)

        reach = getattr(checkpoint.model.config, "max_position_embeddings", None) or self._max_prompt_tokens * 2
        limit = min(self._max_prompt_tokens, reach - self._max_new_tokens)
        return encode(fit(conversation, limit, lambda turns: len(encode(turns)["input_ids"])))

    def _generated(self, checkpoint: Checkpoint, encoded: Any) -> str:
        import torch

        tokenizer, model = checkpoint.tokenizer, checkpoint.model
        inputs = {name: torch.tensor([encoded[name]], device=model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            # Given in full because the checkpoint's own settings sample, and punish the repetition that JSON needs.
            output = model.generate(
                **inputs,
                do_sample=False,
                repetition_penalty=1.0,
                max_new_tokens=self._max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )
        return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
