"""What aegra.json names: Aegra loads a graph from a file, not from a module."""

from omni_router.graph import graph

__all__ = ["graph"]
