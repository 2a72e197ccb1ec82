"""An agent of LangChain whose model is routed: each turn goes to the specialist that fits it, tools included.

OMNI_SANDBOX=1 python examples/agent.py        # simulated models; leave it out with HF_TOKEN set
"""

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import ChatOmni
from omni_router.errors import AnswerFailed


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    return f"It rains in {city}."


agent = create_agent(model=ChatOmni(temperature=0), tools=[get_weather], checkpointer=InMemorySaver())
thread = {"configurable": {"thread_id": "1"}}

for question in ("What is the weather in Reykjavik?", "Write a limerick about rain."):
    print(f"\n> {question}")
    asked = {"messages": [{"role": "user", "content": question}]}
    try:
        for mode, part in agent.stream(asked, thread, stream_mode=["custom", "messages", "updates"]):
            if mode == "custom" and part["event"] == "decision":
                print(f"[{part['decision']['route']} -> {part['decision']['model']}: {part['decision']['reason']}]")
            elif mode == "messages" and part[1]["langgraph_node"] == "model":
                print(part[0].text, end="", flush=True)
            elif mode == "updates" and "tools" in part:
                print(f"[tool: {part['tools']['messages'][0].text}]")
    except AnswerFailed as failure:  # no model could answer: never a text that looks like an answer
        print(f"{failure.kind}: {failure.message}\n{failure.hint}")
    print()
