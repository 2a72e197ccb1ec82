"""The page: `omni-router ui`. A chat over the graph, in this process or on a LangGraph server.

start.py    from a graph to a running page        page.py        the two tabs, how they look and are served
backend.py  what the page asks of a graph         chat_tab.py    the chat, laid out and wired
local.py    the graph in this process             routes_tab.py  routes and history: their table and plots
remote.py   the graph on a LangGraph server       badge.py       the line and table above an answer
chat.py     a conversation and its requests       feedback.py    good, bad, or the correct route
turn.py     one request, while it is answered     components.py  small pieces of HTML and of messages

Gradio is imported by page.py and what it imports, and by nothing else.
"""
