"""Test how an agent takes failures: the sandbox fails on request, at the level of HTTP.

In pytest the fixture `sandbox` gives the same box.
"""

from omni_router import build_graph, sandbox, user_message

with sandbox() as box:
    graph = build_graph().compile()
    box.fail("rate_limited_429")
    result = graph.invoke({"messages": [user_message("How do tides work?")]})

for attempt in result["attempts"]:
    print(attempt["model"], "->", attempt["outcome"])
