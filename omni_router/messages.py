"""From what a person gives to a message of the graph."""

from pathlib import Path
from urllib.parse import urlsplit

from langchain_core.messages import HumanMessage

from omni_router.errors import BadPicture, InvalidRequest
from omni_router.images import file_to_data_url, load_picture


def user_message(text: str, image: str | Path | None = None) -> HumanMessage:
    """Make a user's message, with a picture from an http(s) address or a data URL, passed on as it is, or a local file.

    Raises:
        InvalidRequest: there is neither text nor picture, or the text is not valid.
        BadPicture: the file cannot be read, or is no picture.
    """
    if not text.strip() and image is None:
        raise InvalidRequest("the prompt is empty; say what you want answered")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("the prompt is not valid text: it holds bytes that are not valid UTF-8") from error
    if image is None:
        return HumanMessage(text)
    url = _url(str(image))
    blocks: list[str | dict[object, object]] = [{"type": "text", "text": text}] if text.strip() else []
    return HumanMessage([*blocks, {"type": "image_url", "image_url": {"url": url}}])


def _url(image: str) -> str:
    scheme = image.partition(":")[0].lower()
    if scheme == "data":
        load_picture(image)  # checked like a file
        return image
    if scheme in ("http", "https") and urlsplit(image).hostname and not any(c.isspace() for c in image):
        return image
    if "://" in image:
        raise BadPicture(f"{image} is not the address of a picture: http://, https:// and local files are read")
    return file_to_data_url(Path(image))
