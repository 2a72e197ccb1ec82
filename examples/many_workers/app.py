"""MCP, A2A and health under Aegra, which mounts FastAPI apps alone."""

from fastapi import FastAPI

from omni_router.server.app import app as mounted

app = FastAPI(lifespan=mounted.router.lifespan_context)
app.router.routes += mounted.routes
