"""The ids of models: `org/name`, by the Hub's naming rules, and not a placeholder.

The rules are written out here because the Hub's own validator costs 0.16 s to import and accepts
`organization/model_name`; a property test holds the two together.
"""

import re
from functools import lru_cache

# A part starts and ends with a letter, a digit or an underscore and has at most 96 characters: the Hub's own rule.
_PART = r"(?=.{1,96}(?:/|\Z))\w(?:[\w.-]*\w)?"
_MODEL_ID = re.compile(rf"{_PART}/{_PART}", re.ASCII)
_PROVIDER = re.compile(r"[a-z0-9-]+")
PROVIDER_POLICIES = ("auto", "fastest", "cheapest", "preferred")  # a way to choose a provider, not one

# An id made of nothing but these words ("organization/model_name", "your-org/your-model") was copied from an
# instruction and names no model. Digits are kept, so that a numbered id (`org/model-1`, as in many a test) stays an id.
_PLACEHOLDER_WORDS = frozenset(
    (
        *("author", "company", "organisation", "organization", "org", "orgname", "owner", "provider", "vendor"),
        *("user", "username", "namespace", "hf", "hub", "huggingface"),
        *("model", "modelid", "modelname", "repo", "repository", "id", "name"),
        *("my", "your", "the", "some", "placeholder", "none", "null"),
    )
)
_BETWEEN_WORDS = re.compile(r"[-_./]+")


def is_model_id(text: str) -> bool:
    """Return whether `text` is `org/name` as the Hub would take it, and not a placeholder."""
    if not _MODEL_ID.fullmatch(text) or "--" in text or ".." in text or text.endswith(".git"):
        return False
    words = {word for word in _BETWEEN_WORDS.split(text.lower()) if word}
    if words == {"org", "model"}:  # people write it in tests of their own; instructions do not contain it
        return True
    return not words or not words <= _PLACEHOLDER_WORDS


_LONGEST = 512  # characters that are looked at: two parts of 96, a provider, and blanks around them


def split_model_id(text: str) -> tuple[str | None, str | None]:
    """Split `org/name` or `org/name:provider` into model and provider; (None, None) when it is neither.

    In place of a provider may stand one of `PROVIDER_POLICIES`.
    """
    if len(text) > _LONGEST:
        return None, None
    return _split(text)


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str | None, str | None]:
    model, colon, provider = text.strip().partition(":")
    if not is_model_id(model) or (colon and not _PROVIDER.fullmatch(provider)):
        return None, None
    return model, provider or None


def split_revision(source: str) -> tuple[str, str | None]:
    """Split `org/name@revision`, a checkpoint of the Hub at a commit, tag or branch; None without a revision.

    Raises:
        ValueError: nothing follows the @.
    """
    name, at, revision = source.partition("@")
    if at and not revision:
        raise ValueError(f"{source!r} names no revision after the @")
    return name, revision or None


def is_sandbox_model(model: str) -> bool:
    """Return whether a model is of the sandbox, `sandbox/<task>-<n>`, which nobody serves outside it."""
    return model.startswith("sandbox/")
