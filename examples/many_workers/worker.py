"""One worker of many: takes a turn of a thread that any other worker may have begun.

python examples/many_workers/worker.py ADDRESS                                   # once: make the tables
OMNI_HISTORY=ADDRESS python examples/many_workers/worker.py ADDRESS THREAD "What is asked"
"""

import asyncio
import json
import sys

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from omni_router import build_graph, user_message
from omni_router.run_result import RunResult


async def make_tables(address: str) -> None:
    """Make the tables of the threads; those of the history are made by whoever comes first."""
    async with AsyncPostgresSaver.from_conn_string(address) as saver:
        await saver.setup()


async def turn(address: str, thread: str, text: str) -> None:
    """Run the graph on a thread kept in PostgreSQL, and print how it went."""
    async with AsyncPostgresSaver.from_conn_string(address) as saver:
        graph = build_graph().compile(checkpointer=saver)
        result = await graph.ainvoke({"messages": [user_message(text)]}, {"configurable": {"thread_id": thread}})
        print(json.dumps({"messages": len(result["messages"]), **RunResult.from_state(result).as_json()}))


if __name__ == "__main__":
    asyncio.run(turn(*sys.argv[1:]) if sys.argv[2:] else make_tables(sys.argv[1]))
