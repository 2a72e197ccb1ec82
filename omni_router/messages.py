"""From what a person gives to a message of the graph."""

from pathlib import Path

from langchain_core.messages import HumanMessage

from omni_router.errors import InvalidRequest
from omni_router.inference.pictures import file_to_data_url


def user_message(text: str, image: str | Path | None = None) -> HumanMessage:
    """Make a user's message, with a picture from an http(s) or data URL, which goes on as it is, or a local file.

    Raises:
        InvalidRequest: there is neither text nor picture.
        BadPicture: the file cannot be read, or is no picture.
    """
    if not text.strip() and image is None:
        raise InvalidRequest("the prompt is empty; say what you want answered")
    if image is None:
        return HumanMessage(text)
    url = str(image) if str(image).startswith(("http://", "https://", "data:")) else file_to_data_url(Path(image))
    blocks: list[str | dict[object, object]] = [{"type": "text", "text": text}] if text.strip() else []
    return HumanMessage([*blocks, {"type": "image_url", "image_url": {"url": url}}])
