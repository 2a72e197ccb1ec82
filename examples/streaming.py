"""Show the decision first, then the answer as it arrives."""

from omni_router import build_graph, sandbox, user_message

with sandbox(chunk_delay=0.02):
    graph = build_graph().compile()
    question = {"messages": [user_message("Write a short poem about a lighthouse.")]}
    for mode, chunk in graph.stream(question, stream_mode=["custom", "messages"]):
        if mode == "messages":
            message, _metadata = chunk
            print(message.text, end="", flush=True)
        elif chunk["event"] == "decision":
            print(chunk["decision"]["route"], "->", chunk["decision"]["model"])
    print()
