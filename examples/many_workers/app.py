"""MCP, A2A and health under Aegra, which mounts FastAPI apps alone."""

from fastapi import FastAPI

from omni_router.server.app import app as mounted

# With the guard of Host and Origin: OMNI_HOSTS names further hosts.
app = FastAPI(lifespan=mounted.router.lifespan_context, middleware=mounted.user_middleware)
app.router.routes += mounted.routes
