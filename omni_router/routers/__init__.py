"""Routers: from a conversation and the eligible routes to a reply in one contract.

A router is anything with the one method of `Router`. The modules here import neither LangGraph nor LangChain, so that
a router can be measured on a machine that has only torch and transformers, and read no environment variable:
`omni_router.services.router` chooses a router and passes its parameters.
"""

from omni_router.routers.protocol import (
    BaseRouter,
    ComparingRouter,
    PreparableRouter,
    ProbabilisticRouter,
    Reply,
    RouteOption,
    RouteProbabilities,
    Router,
    Turn,
    preparable,
)
from omni_router.routers.reply import Proposal, parse_reply
from omni_router.tasks import OTHER

__all__ = [
    "OTHER",
    "BaseRouter",
    "ComparingRouter",
    "PreparableRouter",
    "ProbabilisticRouter",
    "Proposal",
    "Reply",
    "RouteOption",
    "RouteProbabilities",
    "Router",
    "Turn",
    "parse_reply",
    "preparable",
]
