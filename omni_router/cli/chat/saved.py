"""Chats on disk: one JSON file each, for its owner alone."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_data_path

from omni_router.cli.chat.protocol import Message
from omni_router.errors import ConfigurationError
from omni_router.messages import text_of

VERSION = 1  # of the form of the files
SUFFIX = ".json"
OWNER_ONLY = 0o600


class _Readable(NamedTuple):
    """A message as `text_of` reads it."""

    type: str
    content: Any


class SavedChat:
    """A file with a conversation, written whole after each turn."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def named(cls, name: str) -> "SavedChat":
        """Return the chat of a name, in the user's data folder, or in the file of a path."""
        path = Path(name)
        if path.name == name and path.suffix != SUFFIX:
            return cls(chats_folder() / f"{name}{SUFFIX}")
        return cls(path)

    @classmethod
    def newest(cls) -> "SavedChat":
        """Return the chat of the user's data folder that was written last.

        Raises:
            ConfigurationError: there is none.
        """
        files = [path for path in chats_folder().glob(f"*{SUFFIX}") if path.is_file()]
        if not files:
            raise ConfigurationError(f"{chats_folder()} holds no chat: omni-router chat --session NAME begins one")
        return cls(max(files, key=lambda path: path.stat().st_mtime_ns))

    def load(self) -> list[Message]:
        """Return its messages; none where there is no file yet.

        Raises:
            ConfigurationError: it cannot be read, or is not a chat.
        """
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(f"the chat {self.path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError):
            value = None
        messages: Any = value.get("messages") if isinstance(value, dict) else None
        if not _is_conversation(messages):
            raise ConfigurationError(f"{self.path} is not a chat of omni-router; name another file as --session")
        conversation: list[Message] = messages
        return conversation

    def save(self, messages: list[Message]) -> None:
        """Write its messages.

        Raises:
            ConfigurationError: it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w") as file:
                json.dump({"version": VERSION, "messages": messages}, file)
            draft.replace(self.path)
        except OSError as error:
            raise ConfigurationError(f"the chat {self.path} cannot be written: {error.strerror}") from error


def chats_folder() -> Path:
    """Return the folder of the chats that have a name."""
    return user_data_path("omni-router") / "chats"


def as_markdown(messages: list[Message]) -> str:
    """Return a conversation for a reader."""
    parts: list[str] = []
    for message in messages:
        title = "You"
        if message["role"] == "assistant":
            title = (message.get("decision") or {}).get("model") or "Answer"
        parts.append(f"## {title}\n\n{readable_text(message, mark_images=True)}\n")
    return "\n".join(parts)


def readable_text(message: Message, *, mark_images: bool = False) -> str:
    """Return the text of a message."""
    return text_of(_Readable(message["role"], message["content"]), mark_images=mark_images)


def _is_conversation(messages: Any) -> bool:
    """Return whether a value is a list of questions, each with its answer."""
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        return False
    return [message.get("role") for message in messages] == ["user", "assistant"] * (len(messages) // 2)


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("decision", {}), dict):
        return False
    content = value.get("content")
    if isinstance(content, list):
        return all(map(_is_block, content))
    return isinstance(content, str) and isinstance(value.get("role"), str)


def _is_block(value: Any) -> bool:
    """Return whether a value is a text or an image, which is all that a chat sends: models refuse anything else."""
    match value:
        case {"type": "text", "text": str()} | {"type": "image_url", "image_url": {"url": str()}}:
            return True
    return False
