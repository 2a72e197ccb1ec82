"""Small random checkpoints, saved by sentence-transformers itself, for the encoder to be compared with the library."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

WORDS = ["draw", "a", "cat", "with", "hat", "translate", "this", "to", "german", "write", "python", "code", "that"]
WORDS += ["sorts", "list", "please", "poem", "about", "sea"]
MODEL: dict[str, Any] = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
WIDE: dict[str, Any] = {"initializer_range": 0.5}  # or all texts come out nearly alike
POSITIONS = 40


@contextmanager
def library() -> Iterator[Any]:
    """Yield the library; what it warns of is its own matter."""
    state = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sentence_transformers
        from transformers.utils import logging

        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.manual_seed(0)
        yield sentence_transformers
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    torch.random.set_rng_state(state)


def save_tokenizer(folder: Path, first: Sequence[str], around: str, **named: str) -> int:
    """Save a tokenizer that knows `WORDS`, and puts `around` around them; tell the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*first, *WORDS]))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=named["unk_token"]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if around:
        special = [(word, vocabulary[word]) for word in around.split() if word != "$A"]
        words.post_processor = processors.TemplateProcessing(single=around, special_tokens=special)
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=words, **named)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def bert(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    size = save_tokenizer(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "[CLS] $A [SEP]", **named)
    BertModel(BertConfig(vocab_size=size, max_position_embeddings=POSITIONS, **MODEL, **WIDE)).save_pretrained(folder)


def xlm_roberta(folder: Path) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    named = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>"}
    size = save_tokenizer(folder, ["<s>", "<pad>", "</s>", "<unk>"], "<s> $A </s>", **named)
    positions = POSITIONS + 2  # the first two are for padding
    config = XLMRobertaConfig(vocab_size=size, max_position_embeddings=positions, pad_token_id=1, **MODEL, **WIDE)
    XLMRobertaModel(config).save_pretrained(folder)


def t5(folder: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    named = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
    size = save_tokenizer(folder, ["<pad>", "</s>", "<unk>"], "$A </s>", **named)
    config = T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=3, num_heads=2, initializer_factor=2.0)
    T5EncoderModel(config).save_pretrained(folder)


def t5_with_decoder(folder: Path) -> None:
    from transformers import T5Config, T5Model

    t5(folder)
    config = T5Config.from_pretrained(folder)
    config.is_encoder_decoder = True
    T5Model(config).save_pretrained(folder)


def phi(folder: Path) -> None:
    from transformers import PhiConfig, PhiModel

    size = save_tokenizer(folder, ["<pad>", "<unk>"], "", pad_token="<pad>", unk_token="<unk>")
    PhiModel(PhiConfig(vocab_size=size, max_position_embeddings=POSITIONS, **MODEL, **WIDE)).save_pretrained(folder)


def build(
    folder: Path,
    make: Callable[[Path], None],
    pooling: Any,
    *more: Callable[[Any], Any],
    lower: bool = False,
    **st: Any,
) -> Any:
    """Save a checkpoint of these modules to `folder`, and give the library's model of it."""
    plain = folder.with_name(f"{folder.name}-plain")
    with library() as sentence_transformers:
        from sentence_transformers.sentence_transformer import modules

        make(plain)
        transformer = modules.Transformer(str(plain), do_lower_case=lower)
        parts = [transformer, modules.Pooling(16, pooling), *(part(modules) for part in more)]
        model = sentence_transformers.SentenceTransformer(modules=parts, device="cpu", **st)
        model.save(str(folder))
    return model


def expected(model: Any, texts: Sequence[str]) -> torch.Tensor:
    """Embed by the library."""
    with library():
        vectors = model.encode(list(texts), normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False)
    assert isinstance(vectors, torch.Tensor)
    return vectors.float()
