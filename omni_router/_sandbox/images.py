"""How providers return images, and the images that the rest of the web consists of."""

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

_HOST = "images.sandbox.invalid"  # a name that cannot exist anywhere else (RFC 2606)
_BROKEN = "/broken.png"
_ORDERED = re.compile(r"/([0-9a-f]+)-(\d+)x(\d+)\.png")
_BROKEN_IMAGE = drawing.PNG_SIGNATURE + b"cut off here"
_MAX_CAPTION = 300  # characters: an address has to hold it, and an image has no room for more
_MIN_SIDE, _MAX_SIDE = 64, 2048  # smaller shows nothing, larger takes seconds to draw


class Order(NamedTuple):
    """An image to draw; all of it fits into an address, so that nothing has to be stored for a later fetch."""

    seed: str
    text: str
    width: int
    height: int
    broken: bool = False  # bytes that no decoder accepts

    def png(self) -> bytes:
        """Draw the image."""
        if self.broken:
            return _BROKEN_IMAGE
        return drawing.draw(self.seed, self.text, self.width, self.height)

    def url(self) -> str:
        """Return the address where the image can be fetched."""
        if self.broken:
            return f"https://{_HOST}{_BROKEN}"
        return f"https://{_HOST}/{self.seed}-{self.width}x{self.height}.png?text={quote(self.text)}"


def answer(call: Call, shape: Shape | None) -> httpx.Response:
    """Answer a call of a model that draws an image, or describes one."""
    if shape == "cut":
        return httpx.Response(200, stream=stream.broken(drawing.PNG_SIGNATURE))
    if shape == "cut_at_start":
        return httpx.Response(200, stream=stream.broken(b""))
    if shape == "error_frame":
        return httpx.Response(200, json=FAULTS["error_body"].body)
    if shape == "content_filter":
        return httpx.Response(400, json={"error": "The prompt was refused by the content filter. (simulated)"})
    if call.task == "image-to-text":
        return httpx.Response(200, json=_captions(call, shape))
    orders = []
    if shape not in ("null_content", "no_choices"):
        orders.append(_order(call, broken=shape == "not_an_image"))
    return _RESPONSES[str(call.provider)](orders)


def fetch(request: httpx.Request) -> httpx.Response:
    """Answer any other GET: the web of the sandbox consists of images, each drawn from its address."""
    url = request.url
    if url.host == _HOST and url.path == _BROKEN:
        return _png(_BROKEN_IMAGE)
    if url.host == _HOST and (ordered := _ORDERED.fullmatch(url.path)):
        seed, width, height = ordered.groups()
        return _png(Order(seed, url.params.get("text", ""), _side(int(width), 0), _side(int(height), 0)).png())
    name = url.path.rpartition("/")[2]
    return _png(Order(_seed(str(url)), f"{url.host}: {name}"[:_MAX_CAPTION], 768, 512).png())


def _captions(call: Call, shape: Shape | None) -> list[dict[str, Any]]:
    if shape == "no_choices":
        return []
    if shape == "null_content":
        return [{"generated_text": None}]
    return [{"generated_text": f"[sandbox] Simulated caption of {call.model}."}]


def _order(call: Call, *, broken: bool) -> Order:
    prompt = without_directives(call.prompt)
    width, height = call.parameters.get("width"), call.parameters.get("height")
    return Order(_seed(prompt), prompt[:_MAX_CAPTION], _side(width, 768), _side(height, 512), broken)


def _side(length: Any, default: int) -> int:
    if not isinstance(length, int):
        return default
    return min(max(length, _MIN_SIDE), _MAX_SIDE)


def _seed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _png(content: bytes) -> httpx.Response:
    return httpx.Response(200, content=content, headers={"content-type": "image/png"})


def _bytes(orders: list[Order]) -> httpx.Response:
    return _png(b"".join(map(Order.png, orders)))


def _base64(orders: list[Order]) -> httpx.Response:
    data = []
    for index, order in enumerate(orders):
        data.append({"index": index, "b64_json": base64.b64encode(order.png()).decode()})
    return httpx.Response(200, json={"id": "sandbox", "object": "list", "data": data})


def _address_in_list(orders: list[Order]) -> httpx.Response:
    images = [{"url": order.url(), "content_type": "image/png"} for order in orders]
    return httpx.Response(200, json={"images": images})


def _address_as_output(orders: list[Order]) -> httpx.Response:
    output = list(map(Order.url, orders)) or None
    return httpx.Response(201, json={"id": "sandbox", "status": "succeeded", "output": output})


_RESPONSES: dict[str, Callable[[list[Order]], httpx.Response]] = {
    "hf-inference": _bytes,
    "together": _base64,
    "fal-ai": _address_in_list,
    "replicate": _address_as_output,
}
