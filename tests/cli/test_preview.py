"""A small picture of a picture."""

from pathlib import Path

from PIL import Image

from omni_router.preview import preview

RED, BLUE = (255, 0, 0), (0, 0, 255)


def saved(folder: Path, size: tuple[int, int], *pixels: tuple[int, int, int]) -> Path:
    image = Image.new("RGB", size)
    if pixels:
        image.putdata(pixels)
    path = folder / "picture.png"
    image.save(path)
    return path


def test_two_pixels_share_a_character(tmp_path: Path) -> None:
    picture = saved(tmp_path, (1, 3), RED, BLUE, RED)
    assert preview(picture, 40) == [
        "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[0m",
        "\x1b[38;2;255;0;0;49m▀\x1b[0m",  # nothing is below: the terminal's own background
    ]


def test_it_keeps_its_shape_and_fits_where_it_is_shown(tmp_path: Path) -> None:
    def shape(size: tuple[int, int], columns: int) -> tuple[int, int]:
        rows = preview(saved(tmp_path, size), columns)
        return rows[0].count("▀"), len(rows)

    assert shape((800, 400), 100) == (40, 10)
    assert shape((800, 400), 20) == (20, 5)
    assert shape((400, 800), 100) == (12, 12)


def test_a_file_that_is_gone_or_no_picture_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    assert preview(tmp_path / "notes.png", 40) == preview(tmp_path / "gone.png", 40) == []
