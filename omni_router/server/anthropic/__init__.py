"""Anthropic's interface, POST /v1/messages, as a dialect of the one handler of conversations in server/openai/chat.py.

requests.py  the parameters that are served, and the chat that they become
messages.py  messages and their content blocks            stream.py  an answer as server-sent events
dialect.py   an answer as a message                       errors.py  failures, by status
"""
