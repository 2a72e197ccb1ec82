"""What the drivers in this folder send; it imports nothing, so that every client's environment can."""

QUESTION = "How do tides work?"
FOLLOW_UP = "And on the moon?"
ASK_WEATHER = "What is the weather in Paris?"
ASK_IMAGE = "What is in this image?"
WEATHER = "rain, 12 degrees"  # what the tool returns
BAD_REQUEST = "Go [[sandbox:bad_request_400]]"  # the sandbox refuses it

DOT = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DOT_URL = f"data:image/png;base64,{DOT}"
IMAGE_PARTS = [{"type": "text", "text": ASK_IMAGE}, {"type": "image_url", "image_url": {"url": DOT_URL}}]

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True}}
