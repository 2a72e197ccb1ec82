"""Answers as JSON, whatever a model wrote into them."""

import json
from typing import Any

import orjson
from starlette.responses import JSONResponse


def to_json(data: Any) -> bytes:
    """Write as JSON: fast, or, where a model wrote half a character or a number of any size, with escapes."""
    try:
        return orjson.dumps(data)
    except orjson.JSONEncodeError:
        return json.dumps(data).encode()


class Answer(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        """Write the body."""
        return to_json(content)
