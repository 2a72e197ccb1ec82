"""Anthropic's interface, POST /v1/messages, as a dialect of the one handler of conversations, `server.openai.chat`.

endpoints.py  the paths: messages, count_tokens, models    answers.py  an answer as a message
requests.py   the parameters that are served               stream.py   an answer as server-sent events
messages.py   messages and their content blocks            errors.py   failures, by status
"""
