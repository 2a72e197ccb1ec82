"""Routers: from a conversation and the routes on offer to a reply in one contract.

A router is anything with the one method of `Router`. The modules here import neither LangGraph nor LangChain, so that
a router can be measured on a machine that has only torch and transformers.
"""

from omni_router.routers.protocol import Reply, RouteOption, Router, Turn
from omni_router.routers.reply import Proposal, parse_reply
from omni_router.tasks import OTHER

__all__ = ["OTHER", "Proposal", "Reply", "RouteOption", "Router", "Turn", "parse_reply"]
