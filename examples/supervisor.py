"""A supervisor whose workers are tools; one of them is the router, which finds a specialist for each request.

OMNI_SANDBOX=1 python examples/supervisor.py
"""

import json

from langchain.agents import create_agent
from langchain_core.messages import ToolMessage

from omni_router import ChatOmni, omni_tool


def ledger(account: str, amount: float) -> str:
    """Book an amount to an account of the company."""
    return f"{amount:g} are booked to {account}."


supervisor = create_agent(
    model=ChatOmni(),  # any chat model with tools will do
    tools=[omni_tool(name="specialist"), ledger],
    system_prompt="Hand each request to one worker, and tell what came of it.",
)

for request in (
    "Ledger: 120 to 'travel'.",
    "Have the specialist paint a lighthouse in a storm.",
    "Have the specialist explain how tides work.",
):
    print(f"> {request}")
    asked = {"messages": [{"role": "user", "content": request}]}
    for message in supervisor.invoke(asked)["messages"]:
        if not isinstance(message, ToolMessage):
            continue
        print(f"  worker: {message.name}")
        if message.name == "specialist":
            summary = json.loads(message.text)
            print(f"  route: {summary['route']}, model: {summary['model']}")
            print("  " + (summary["answer"] or summary["error"]["hint"]))
        else:
            print(f"  {message.text}")
