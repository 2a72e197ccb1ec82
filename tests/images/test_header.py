"""Images whose metadata is large, broken or made to be hard to read, and photographs that hold a second image."""

import base64
import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from PIL import Image, ImageCms

from omni_router import Services, _sandbox
from omni_router.cli import main
from omni_router.errors import BadImage
from omni_router.images import FORMATS, image_type, load_image
from omni_router.images.header import header_of
from omni_router.messages import user_message
from tests.support.openai_server import EYES, openai_server
from tests.support.scripted_router import ScriptedRouter


def encoded(name: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(file, format=name, **options)
    return file.getvalue()


def phone_photograph() -> bytes:
    """Make what phones write: a JPEG, and after it another of the same scene."""
    return encoded("MPO", save_all=True, append_images=[Image.new("RGB", (400, 300))])


def data_url(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


JPEG, GIF, PNG = encoded("JPEG"), encoded("GIF", mode="P"), encoded("PNG")
TABLE = 13 + 3 * 256  # bytes of a GIF before its first block


# ---- a phone's photograph


def test_a_photograph_with_a_second_image_is_a_jpeg() -> None:
    photograph = phone_photograph()
    assert Image.open(io.BytesIO(photograph)).format == "MPO"
    assert image_type(photograph) == "image/jpeg"
    assert load_image(data_url(photograph)) == photograph


def test_only_the_first_image_counts() -> None:
    huge = io.BytesIO()
    Image.new("RGB", (8, 8)).save(huge, "MPO", save_all=True, append_images=[Image.new("L", (9000, 9000))])
    assert image_type(huge.getvalue()) == "image/jpeg"


def test_a_photograph_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(phone_photograph())
    block = user_message("What is this?", image=path).content[1]
    assert isinstance(block, dict)
    assert block["image_url"]["url"] == data_url(path.read_bytes())


def test_a_photograph_may_be_given_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    router.choose("image_understanding")
    path = tmp_path / "photograph.jpg"
    path.write_bytes(phone_photograph())
    with _sandbox.sandbox():
        assert main(["--prompt", "What is it?", "--image-url", str(path)]) == 0
    assert f"a data URL, image/jpeg, of {path.stat().st_size} bytes" in capsys.readouterr().out


@pytest.mark.enable_socket
@pytest.mark.loopback
def test_a_photograph_may_be_sent_to_the_api(services: Services, router: ScriptedRouter) -> None:
    router.choose("image_understanding", EYES)
    parts = [{"type": "image_url", "image_url": {"url": data_url(phone_photograph())}}]
    with openai_server(services) as url:
        response = httpx.post(f"{url}/chat/completions", json={"messages": [{"role": "user", "content": parts}]})
    assert response.status_code == 200
    assert "a data URL, image/jpeg" in response.json()["choices"][0]["message"]["content"]


# ---- what is read of an image


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (3000, 2)])
@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("JPEG", "RGB", {"progressive": True, "comment": b"hello", "dpi": (72, 72)}),
        ("JPEG", "L", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("JPEG", "CMYK", {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}),
        ("GIF", "P", {"comment": b"hello" * 1000}),
        ("GIF", "L", {"save_all": True, "append_images": [Image.new("L", (50, 50))], "loop": 0, "duration": 10}),
        ("PNG", "RGBA", {"dpi": (72, 72)}),
        ("WEBP", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    ],
)
def test_format_and_size_are_those_of_the_whole_image(
    name: str, mode: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    data = encoded(name, size, mode, **options)
    whole, header = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(header_of(data)))
    assert (header.format, header.size, header.mode) == (whole.format, whole.size, whole.mode)
    assert image_type(data) == FORMATS[name]


@given(
    data=some.sampled_from([JPEG, GIF, PNG, encoded("WEBP"), phone_photograph()]),
    cuts=some.lists(some.tuples(some.floats(0, 1), some.binary(max_size=8), some.integers(0, 8)), max_size=4),
    end=some.floats(0, 1),
)
@example(b"\xff\xd8\xff", [], 1.0)
@example(b"GIF8", [], 1.0)
@example(b"GIF89a" + bytes([255]) * 7, [], 1.0)
@settings(max_examples=500, deadline=None)
def test_bytes_that_are_bent_are_an_image_or_a_bad_one(
    data: bytes, cuts: list[tuple[float, bytes, int]], end: float
) -> None:
    for place, put, left_out in cuts:
        at = int(place * len(data))
        data = data[:at] + put + data[at + left_out :]
    data = data[: int((0.5 + end / 2) * len(data))]
    with suppress(BadImage):
        assert image_type(data) in FORMATS.values()


# ---- images that are hard to read


def gif_comments(count: int) -> bytes:
    return GIF[:TABLE] + b"!\xfe" + (b"\xff" + b"c" * 255) * count + b"\0" + GIF[TABLE:]


def jpeg_exif(count: int) -> bytes:
    return JPEG[:2] + segment(0xE1, b"Exif\0\0" + b"e" * 250) * count + JPEG[2:]


def work(data: bytes) -> float:
    """Return how long this thread reads an image, at best of three times."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()  # the machine may be busy with others
        image_type(data)
        best = min(best, time.thread_time() - began)
    return max(best, 0.0003)


@pytest.mark.parametrize("make_data", [gif_comments, jpeg_exif])
def test_sixteen_times_the_metadata_takes_about_sixteen_times_the_work(make_data: Callable[[int], bytes]) -> None:
    assert work(make_data(8000)) < 40 * work(make_data(500))


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:2] + b"\xff" * 10**6 + JPEG[2:],
        JPEG[:2] + segment(0xFE, b"") * 10**5 + JPEG[2:],
        JPEG[:2] + b"\xff\x00" * 10**5 + JPEG[2:],
        GIF[:TABLE] + b"\0" * 10**6 + GIF[TABLE:],
        GIF[:TABLE] + b"!\xfe\0" * 10**5 + GIF[TABLE:],
        GIF[:TABLE] + (b"!\xfe" + b"\x01c" * 10_000 + b"\0") * 10 + GIF[TABLE:],
        PNG[:33] + chunk(b"teSt") * 10**5 + PNG[33:],
    ],
)
def test_more_pieces_than_an_encoder_makes_are_refused(data: bytes) -> None:
    with pytest.raises(BadImage, match="not a readable image"):
        image_type(data)


def test_exif_that_asks_for_the_same_bytes_again_and_again_takes_no_memory() -> None:
    tags = [struct.pack(">HHII", tag + 1, 7, 30_000, 8) for tag in range(2500)]  # each 30 KB, all the same
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(tags)) + b"".join(tags) + bytes(4)
    data = JPEG[:2] + segment(0xE1, exif.ljust(65_000, b"\0")) + JPEG[20:]  # without JFIF's own resolution
    tracemalloc.start()
    try:
        assert image_type(data) == "image/jpeg"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
