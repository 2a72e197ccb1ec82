"""The prompt for a model that routes, in two forms.

`json` asks for the whole contract, route, model and reason. `trained` is the input Arch-Router was fine-tuned on; it
answers with a route only, and the model then comes from the route's candidates.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from omni_router.routers.protocol import RouteOption, Turn

PromptForm = Literal["json", "trained"]

# The part that is the same in all requests comes first: its computation can be kept between requests.
_INSTRUCTION = """\
You decide which route a request takes. You do not answer the request.

Reply with one JSON object on one line and nothing else, with exactly these three keys:
{"route": ..., "model": ..., "reason": ...}
- "route": the name of the route that fits the newest user message best, read in the light of the conversation, \
copied exactly. When no route fits, or nothing is asked for: "other".
- "model": the model of that route to use, copied exactly from its "models", where the best comes first. null when it \
has none, and for "other".
- "reason": why, in one short sentence.

Routes:
"""
_CONVERSATION = "\n\nConversation, oldest message first:\n"
_END = "\n\nJSON object:"

# The input format of katanemo/Arch-Router-1.5B, from its model card (https://huggingface.co/katanemo/Arch-Router-1.5B).
# Every blank, line break and slip of the pen is part of it: the checkpoint has seen nothing else.
_TRAINED_TASK = """
You are a helpful assistant designed to find the best suited route.
You are provided with route description within <routes></routes> XML tags:
<routes>

{routes}

</routes>

<conversation>

{conversation}

</conversation>
"""
_TRAINED_FORMAT = """
Your task is to decide which route is best suit with user intent on the conversation in <conversation></conversation> \
XML tags.  Follow the instruction:
1. If the latest intent from user is irrelevant or user intent is full filled, response with other route \
{"route": "other"}.
2. You must analyze the route descriptions and find the best match route for user latest intent.\x20
3. You only response the name of the route that best matches the user's request, use the exact name in the \
<routes></routes>.

Based on your analysis, provide your response in the following JSON formats if you decide to match any route:
{"route": "route_name"}\x20
"""


def json_prompt(conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> str:
    """Write the prompt that asks for route, model and reason."""
    options: list[str] = []
    for route in routes:
        option = {"name": route.name, "description": route.description, "models": list(route.candidates)}
        options.append(_to_json(option))
    turns = map(_turn_to_json, conversation)
    return _INSTRUCTION + "\n".join(options) + _CONVERSATION + "\n".join(turns) + _END


def trained_prompt(conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> str:
    """Write the prompt that asks for the route in the words of the model card, byte for byte."""
    options = [{"name": route.name, "description": route.description} for route in routes]
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in conversation]
    return _TRAINED_TASK.format(routes=json.dumps(options), conversation=json.dumps(turns)) + _TRAINED_FORMAT


PROMPTS: dict[PromptForm, Callable[[Sequence[Turn], Sequence[RouteOption]], str]] = {
    "json": json_prompt,
    "trained": trained_prompt,
}


def _turn_to_json(turn: Turn) -> str:
    return _to_json({"role": turn["role"], "content": turn["content"]})


def _to_json(value: dict[str, Any]) -> str:
    """Write one line of JSON in which user text cannot pass for a mark of the chat template, such as <|im_end|>."""
    return json.dumps(value, ensure_ascii=False).replace("<|", "<\\u007c")
