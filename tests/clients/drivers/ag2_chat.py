"""AG2's agents by chat completions: `python ag2_chat.py BASE_URL FEATURE`.

It does what ag2_responses.py does, with another class.
"""

import sys

import ag2_responses
from ag2.config import OpenAIConfig

ag2_responses.OpenAIResponsesConfig = OpenAIConfig

if __name__ == "__main__":
    getattr(ag2_responses, sys.argv[2])(sys.argv[1])
