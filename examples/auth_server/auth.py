"""Who asks, and what is theirs. What is returned here is stored with every run: an identity, and no token."""

from typing import Any

from accounts import owner_of
from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> Auth.types.MinimalUserDict:
    """Authenticate a request by `Authorization: Bearer KEY`."""
    scheme, _, key = (authorization or "").partition(" ")
    identity = owner_of(key.strip()) if scheme.lower() == "bearer" else None
    if identity is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Give a key: Authorization: Bearer KEY")
    return {"identity": identity}


@auth.on
async def only_ones_own(ctx: Auth.types.AuthContext, value: Any) -> Auth.types.FilterType:
    """Threads, runs and crons: mark what a user makes, and show them nothing else."""
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner


@auth.on.assistants.read
@auth.on.assistants.search
async def anybody(ctx: Auth.types.AuthContext, value: Any) -> None:
    """Let everybody use every assistant; changing one is for its owner, by the rule above."""


@auth.on.store
async def a_place_of_ones_own(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Open the store's API under a user's own name alone; history and A2A tasks lie elsewhere."""
    namespace = tuple(value.get("namespace") or ())
    return namespace[:1] == (ctx.user.identity,)
