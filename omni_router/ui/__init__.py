"""The page: `omni-router ui`. A chat over the graph, in this process or on a LangGraph server.

arguments.py  the flags                           command.py   from flags to a running page
backend.py    what the page asks of a graph       badge.py     the line and the table above an answer
local.py      the graph in this process           turn.py      one request: what is shown while it is answered
remote.py     the graph on a LangGraph server     verdicts.py  what a person says of an answer
page.py       the parts of the page               routes.py    the second tab: tables and plots
look.py       theme and stylesheet                chat.py      what is remembered of a browser session

Gradio is imported by page.py and what it imports, and by nothing else.
"""
