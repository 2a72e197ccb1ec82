"""The dialect of POST /v1/responses, for OpenAI's Responses API without stored conversations.

dialect.py   the parameters of a request, as those of a chat     output.py   the answer as a response and its items
input.py     the items of a conversation as messages             stream.py   the same as events
tools.py     tools in both forms                                items.py     the events of each item
"""
