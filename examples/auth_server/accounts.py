"""Who may come in, and with which Hugging Face token each calls models. Both stay in this process's memory.

Yours would come from a secrets manager. Here they are in a JSON file: {"alice": {"key": "...", "token": "hf_..."}}
"""

import json
import os
from hashlib import sha256
from pathlib import Path

_FILE = Path(os.environ.get("ACCOUNTS") or Path(__file__).with_name("accounts.json"))
_ACCOUNTS: dict[str, dict[str, str]] = json.loads(_FILE.read_text())
_OWNERS = {sha256(account["key"].encode()).digest(): name for name, account in _ACCOUNTS.items()}
_TOKENS = {name: account["token"] for name, account in _ACCOUNTS.items()}


def owner_of(key: str) -> str | None:
    """Return whose key this is; it is looked up by its hash, so the time it takes reveals nothing about the keys."""
    return _OWNERS.get(sha256(key.encode()).digest())


def token_of(identity: str) -> str | None:
    """Return a user's Hugging Face token."""
    return _TOKENS.get(identity)
