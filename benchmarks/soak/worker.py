"""A process that runs the graph for the soak test: a question a line on stdin, its outcome a line on stdout."""

import json
import logging
import sys

from omni_router import build_graph, user_message
from omni_router.run_result import RunResult
from tests.support.pictures import DOT


def main() -> None:
    """Answer until stdin ends."""
    logging.disable(logging.WARNING)
    graph = build_graph().compile()
    for line in sys.stdin:
        asked = json.loads(line)
        message = user_message(asked["text"], DOT if asked["picture"] else None)
        result = graph.invoke({"messages": [message]})
        print(json.dumps({"number": asked["number"], "summary": RunResult.from_state(result).as_json()}), flush=True)


if __name__ == "__main__":
    main()
