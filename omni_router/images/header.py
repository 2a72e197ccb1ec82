"""Cut an image to the bytes that say its format and size, without metadata.

Pillow reads metadata piece by piece, and joins some of it anew with each: a few megabytes of comments take seconds
to minutes, and 64 KB of Exif can ask for a hundred megabytes. Nothing here needs metadata, so Pillow is not shown any.
"""

from collections.abc import Iterator

MOST_BLOCKS = 20_000  # an image of 20 MB in pieces of one KB; encoders write 8 KB and more
_JPEG, _GIF, _PNG = b"\xff\xd8\xff", b"GIF8", b"\x89PNG\r\n\x1a\n"

_PADDING, _START_OF_SCAN = 0xFF, 0xDA
_TABLES = {0xC4, 0xCC, 0xDB, 0xDD}  # Huffman, arithmetic, quantization, restart interval
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # hold width and height
_ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}  # markers without a segment
_GIF_EXTENSION, _GIF_FRAME, _GIF_END = 0x21, 0x2C, b";"
_GIF_FRAME_BYTES = 1 + 9 + 3 * 256 + 1  # its description, colours, and the first byte of the data


def header_of(data: bytes) -> bytes:
    """Return the part of an image that Pillow needs to see its format and size; at most all of it.

    Raises:
        ValueError: it ends before its pixels, or has more pieces than an encoder writes.
    """
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data.startswith(_GIF):
        return _gif(data)
    if data.startswith(_PNG):
        _count_chunks(data)
    return data


def _jpeg(data: bytes) -> bytes:
    """Keep tables and frames up to the first scan; pixels, and perhaps more images (MPO), follow."""
    segments, at = [data[:2]], 2
    for _ in range(MOST_BLOCKS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            raise ValueError("the JPEG ends before its pixels")
        marker = data[at + 1]
        if marker == _PADDING:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker in _FRAMES or marker in _TABLES or marker == _START_OF_SCAN:
                segments.append(data[at:end])
            if marker == _START_OF_SCAN:
                return b"".join(segments)
            at = end
    raise ValueError("the JPEG has too many segments")


def _gif(data: bytes) -> bytes:
    """Keep the descriptions of the screen and of the first frame, without the comments and extensions between them."""
    start = at = 13 + _colours(data[10:11])
    blocks = iter(range(MOST_BLOCKS))
    for _ in blocks:
        kind = data[at : at + 1]
        if kind in (b"", _GIF_END):
            break
        if kind[0] == _GIF_FRAME:
            return data[:start] + data[at : at + _GIF_FRAME_BYTES]
        if kind[0] == _GIF_EXTENSION:
            at = _after_blocks(data, at + 2, blocks)
        else:
            at += 1
    raise ValueError("the GIF has no frame, or too much before it")


def _colours(flags: bytes) -> int:
    """Return the size in bytes of the table of colours that the flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int, blocks: Iterator[int]) -> int:
    """Return where a row of GIF blocks ends: each begins with its length, and an empty one is the last."""
    for _ in blocks:
        length = int.from_bytes(data[at : at + 1], "big")
        at += 1 + length
        if not length:
            return at
    raise ValueError("the GIF has too many blocks before its pixels")


def _count_chunks(data: bytes) -> None:
    at = len(_PNG)
    for _ in range(MOST_BLOCKS):
        if at >= len(data):
            return
        at += 12 + int.from_bytes(data[at : at + 4], "big")  # its length and kind, the data, its checksum
    raise ValueError("the PNG has too many chunks")
