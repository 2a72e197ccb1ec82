"""Route and answer one prompt. With HF_TOKEN set, leave the sandbox out and real models answer."""

from omni_router import build_graph, sandbox, user_message

with sandbox():
    graph = build_graph().compile()
    result = graph.invoke({"messages": [user_message("Who was the first woman to win a Nobel Prize in Physics?")]})

print(result["decision"]["route"], "->", result["decision"]["model"])
print(result["messages"][-1].text)
