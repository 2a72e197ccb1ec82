"""The command line, one file a command. Nothing heavy is imported before a command needs it."""

from omni_router.cli.main import main

__all__ = ["main"]
