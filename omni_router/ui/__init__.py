"""The page: `omni-router ui`. A chat over the graph, in this process or on a LangGraph server.

arguments.py  the flags                           command.py     from flags to a running page
backend.py    what the page asks of a graph       page.py        the two tabs, and how they are served
local.py      the graph in this process           chat_tab.py    the chat, laid out and wired
remote.py     the graph on a LangGraph server     routes_tab.py  routes and history, laid out and wired
turn.py       one request, while it is answered   history.py     the table and the plots of the second tab
badge.py      the line and table above an answer  verdicts.py    what a person says of an answer
chat.py       what is remembered of a session     look.py        theme and stylesheet (page.css); parts.py

Gradio is imported by page.py and what it imports, and by nothing else.
"""
