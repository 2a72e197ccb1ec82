"""Haystack's chat generator by chat completions: `python haystack_chat.py BASE_URL FEATURE`.

It does what haystack_responses.py does, with another class, but for the name of the parameter for structured output.
"""

import sys

import haystack_responses
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack_responses import Weather

haystack_responses.OpenAIResponsesChatGenerator = OpenAIChatGenerator


def structured(base_url: str) -> None:
    """Check JSON of a class."""
    messages = [ChatMessage.from_user("The weather in Paris?")]
    reply = haystack_responses.run(base_url, messages, generation_kwargs={"response_format": Weather})
    assert Weather.model_validate_json(reply.text), reply


if __name__ == "__main__":
    {**vars(haystack_responses), "structured": structured}[sys.argv[2]](sys.argv[1])
