"""Find the token for calls of the Hub, without importing LangChain or the client."""

import os
from collections.abc import Callable

from omni_router.simulation import active_simulation

Token = str | Callable[[], str | None] | None  # one for everybody, or a function that returns that of the run's user


def find_token(token: Token = None) -> str | None:
    """Return a token: the one passed, else HF_API_TOKEN, HF_TOKEN, the stored login; a simulation has its own.

    A function stands for users with tokens of their own: what it returns is final, so that no user gets the token of
    another, nor that of the machine.
    """
    if callable(token):
        return token()
    if simulation := active_simulation():
        return token or simulation.token
    if text := (token or os.environ.get("HF_API_TOKEN") or "").strip():  # a line break would break the header
        return text
    from huggingface_hub import get_token

    return get_token()  # HF_TOKEN, else the stored login
