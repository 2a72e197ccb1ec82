"""litellm's `anthropic/` as a client: `python tests/clients/drivers/litellm_anthropic.py BASE_URL FEATURE`.

It exits with 1 and a reason when the answer is not what this client expects.
"""

import json
import sys
from typing import Any

import litellm
from litellm.exceptions import NotFoundError
from pydantic import BaseModel

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "the weather of a city", "parameters": PARAMETERS}


class Tide(BaseModel):
    """When the water is highest."""

    place: str
    hour: int


def ask(base_url: str, messages: Any, *, model: str = "omni", **more: Any) -> Any:
    return litellm.completion(
        f"anthropic/{model}", messages, base_url=base_url, api_key="none", max_tokens=500, num_retries=0, **more
    )


def chat(base_url: str) -> None:
    answer = ask(base_url, QUESTION)
    check(answer.choices[0].message.content, f"no text: {answer}")
    check(answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, f"no usage: {answer.usage}")


def stream(base_url: str) -> None:
    chunks = list(ask(base_url, QUESTION, stream=True, stream_options={"include_usage": True}))
    whole: Any = litellm.stream_chunk_builder(chunks, messages=QUESTION)
    check(len(chunks) > 3 and whole.choices[0].message.content, f"{len(chunks)} chunks: {whole}")
    check(whole.usage.completion_tokens > 0, f"no usage: {whole.usage}")


def tools(base_url: str) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    definitions = [{"type": "function", "function": FUNCTION}]
    answer = ask(base_url, messages, tools=definitions)
    [call] = answer.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": f"It rains in {json.loads(call.function.arguments)}."}
    last = ask(base_url, [*messages, answer.choices[0].message, result], tools=definitions)
    check("It rains" in last.choices[0].message.content, f"the answer is {last}")


def images(base_url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": "What is in this image?"}, image]
    answer = ask(base_url, [{"role": "user", "content": content}])
    check("image-text-to-text" in answer.model, f"the image was given to {answer.model}")


def structured(base_url: str) -> None:
    answer = ask(base_url, QUESTION, response_format=Tide)
    Tide.model_validate_json(answer.choices[0].message.content)


def cancel(base_url: str) -> None:
    chunks = ask(base_url, QUESTION, stream=True)
    next(chunks)
    del chunks
    chat(base_url)


def error(base_url: str) -> None:
    try:
        ask(base_url, QUESTION, model="nowhere")
    except NotFoundError as failure:
        check("allowed are omni" in str(failure), f"the error is {failure}")
    else:
        sys.exit("an unknown model is not refused")


FEATURES = {f.__name__: f for f in (chat, stream, tools, images, structured, cancel, error)}


def check(holds: object, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    address, feature = sys.argv[1:]
    FEATURES[feature](address.removesuffix("/v1"))
