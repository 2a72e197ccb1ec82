"""The OpenAI Agents SDK by chat completions: `python openai_agents_chat.py BASE_URL FEATURE`.

It does what openai_agents.py does, with another setting.
"""

import sys
from functools import partial

import openai_agents
from agents import OpenAIProvider

openai_agents.OpenAIProvider = partial(OpenAIProvider, use_responses=False)

if __name__ == "__main__":
    getattr(openai_agents, sys.argv[2])(sys.argv[1])
