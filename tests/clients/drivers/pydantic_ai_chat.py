"""pydantic-ai by chat completions: `python pydantic_ai_chat.py BASE_URL FEATURE`.

It does what pydantic_ai_responses.py does, with another class.
"""

import sys

import pydantic_ai_responses
from pydantic_ai.models.openai import OpenAIChatModel

pydantic_ai_responses.OpenAIResponsesModel = OpenAIChatModel

if __name__ == "__main__":
    getattr(pydantic_ai_responses, sys.argv[2])(sys.argv[1])
