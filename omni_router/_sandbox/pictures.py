"""The ways in which providers hand over a picture, and every picture the rest of the web is asked for."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from omni_router._sandbox import drawing, stream
from omni_router._sandbox.calls import Call
from omni_router._sandbox.faults import FAULTS, Shape, without_directives
from omni_router.hub.http import httpx

_HOST = "pictures.sandbox.invalid"  # a name that can exist nowhere else (RFC 2606)
_BROKEN = "/broken.png"
_ORDERED = re.compile(r"/([0-9a-f]+)-(\d+)x(\d+)\.png")
_NOT_A_PICTURE = drawing.PNG_SIGNATURE + b"cut off here"
_CAPTION = 300  # characters: an address has to hold it, and a picture has no room for more
_SIDES = (64, 2048)  # smaller shows nothing, larger takes seconds to draw


class Order(NamedTuple):
    """What is to be drawn; all of it fits into an address, so that nothing need be kept for a later fetch."""

    seed: str
    text: str
    width: int
    height: int
    broken: bool = False  # bytes that no reader takes for a picture

    def png(self) -> bytes:
        """Draw it."""
        if self.broken:
            return _NOT_A_PICTURE
        return drawing.draw(self.seed, self.text, self.width, self.height)

    def url(self) -> str:
        """Say where it can be fetched."""
        if self.broken:
            return f"https://{_HOST}{_BROKEN}"
        return f"https://{_HOST}/{self.seed}-{self.width}x{self.height}.png?text={quote(self.text)}"


def answer(call: Call, shape: Shape | None) -> httpx.Response:
    """Answer a call of a model that makes a picture, or tells what is on one."""
    if shape in ("cut", "cut_at_start"):
        start = drawing.PNG_SIGNATURE if shape == "cut" else b""
        return httpx.Response(200, stream=stream.broken(start))
    if shape == "error_frame":
        return httpx.Response(200, json=FAULTS["error_body"].body)
    if shape == "content_filter":
        return httpx.Response(400, json={"error": "The prompt was refused by the content filter. (simulated)"})
    if call.task == "image-to-text":
        text = None if shape == "null_content" else f"[sandbox] Simulated caption of {call.model}."
        return httpx.Response(200, json=[] if shape == "no_choices" else [{"generated_text": text}])
    nothing = shape in ("null_content", "no_choices")
    return _WAYS[str(call.provider)](None if nothing else _order(call)._replace(broken=shape == "not_an_image"))


def fetch(request: httpx.Request) -> httpx.Response:
    """Answer any other GET: the web of the sandbox consists of pictures, each drawn from its address."""
    url = request.url
    if url.host == _HOST and url.path == _BROKEN:
        return _png(_NOT_A_PICTURE)
    if url.host == _HOST and (ordered := _ORDERED.fullmatch(url.path)):
        seed, width, height = ordered.groups()
        return _png(Order(seed, url.params.get("text", ""), _side(int(width), 0), _side(int(height), 0)).png())
    name = url.path.rpartition("/")[2]
    return _png(Order(_seed(str(url)), f"{url.host}: {name}"[:_CAPTION], 768, 512).png())


def _order(call: Call) -> Order:
    prompt = without_directives(call.prompt)
    given = call.parameters
    return Order(_seed(prompt), prompt[:_CAPTION], _side(given.get("width"), 768), _side(given.get("height"), 512))


def _side(asked: Any, usual: int) -> int:
    return min(max(asked, _SIDES[0]), _SIDES[1]) if isinstance(asked, int) else usual


def _seed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _png(content: bytes) -> httpx.Response:
    return httpx.Response(200, content=content, headers={"content-type": "image/png"})


def _bytes(order: Order | None) -> httpx.Response:
    return _png(order.png() if order else b"")


def _base64(order: Order | None) -> httpx.Response:
    data = [{"index": 0, "b64_json": base64.b64encode(order.png()).decode()}] if order else []
    return httpx.Response(200, json={"id": "sandbox", "object": "list", "data": data})


def _address_in_list(order: Order | None) -> httpx.Response:
    images = [{"url": order.url(), "content_type": "image/png"}] if order else []
    return httpx.Response(200, json={"images": images})


def _address_as_output(order: Order | None) -> httpx.Response:
    output = [order.url()] if order else None
    return httpx.Response(201, json={"id": "sandbox", "status": "succeeded", "output": output})


_WAYS: dict[str, Callable[[Order | None], httpx.Response]] = {
    "hf-inference": _bytes,
    "together": _base64,
    "fal-ai": _address_in_list,
    "replicate": _address_as_output,
}
