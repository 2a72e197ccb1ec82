"""The graph behind OpenAI's HTTP interface: chat completions, images, models, and the decision alone.

The list of routes is server/v1.py.

chat.py      the one handler of conversations             bodies.py    bodies, read and checked; ignored parameters
dialect.py   how an interface words them                  requests.py  the parameters that are served
completions.py the dialect of /v1/chat/completions        messages.py  a client's messages as those of the graph
images.py    POST /v1/images/generations                  run.py       a run of the graph, and clients that disconnect
models.py    GET /v1/models, and values of `model`        answers.py   the result of a run, for every dialect
guard.py     key, size of the body, how many at once      stream.py    an answer as server-sent events
errors.py    the table from error kind to status          memory.py    the decisions behind answers
overrides.py settings of a run by header or body          embeddings.py  POST /v1/embeddings
decisions.py POST /v1/decisions, choices in words         users.py     users with keys of their own, and their sums
"""
