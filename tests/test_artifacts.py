"""The files a run leaves behind."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
from PIL import Image

from omni_router.artifacts import ArtifactFolder, describe, kind_of
from omni_router.errors import ConfigurationError
from omni_router.images import to_png
from omni_router.state import Artifact
from omni_router.tasks import PNG, Media

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def picture(color: int = 0) -> bytes:
    return to_png(Image.new("L", (3, 2), color))


def folder(tmp_path: Path) -> ArtifactFolder:
    return ArtifactFolder(tmp_path / "deep" / "out", now=lambda: NOW)


def test_a_picture_is_a_png_named_by_time_and_route(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "out" / "20260304_050607_image_generation.png")
    saved = folder(tmp_path).save(picture(), "image_generation", PNG, width=3, height=2)
    assert saved == Artifact(path=path, mime_type="image/png", width=3, height=2)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (3, 2))


def test_the_time_in_a_name_is_utc(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    saved = Path(ArtifactFolder(tmp_path).save(picture(), "r", PNG)["path"])
    match = re.fullmatch(r"(\d{8}_\d{6})_r\.png", saved.name)
    assert match
    stamp = datetime.strptime(match[1], "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc)
    assert before <= stamp <= datetime.now(timezone.utc)


def test_the_next_picture_of_the_same_second_is_numbered(tmp_path: Path) -> None:
    out = folder(tmp_path)
    names = [Path(out.save(picture(), "r", PNG)["path"]).name for _ in range(3)]
    assert names == ["20260304_050607_r.png", "20260304_050607_r_2.png", "20260304_050607_r_3.png"]


def test_fifty_threads_in_the_same_second_overwrite_nothing(tmp_path: Path) -> None:
    out = folder(tmp_path)
    with ThreadPoolExecutor(50) as pool:
        saved = list(pool.map(lambda color: out.save(picture(color), "r", PNG), range(50)))
    assert len({artifact["path"] for artifact in saved}) == 50
    for color, artifact in enumerate(saved):
        with Image.open(artifact["path"]) as image:
            assert image.getpixel((0, 0)) == color


def test_a_file_that_was_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out" / "20260304_050607_r.png"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert folder(tmp_path).save(picture(), "r", PNG)["path"].endswith("_r_2.png")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "route", ["../../up", "/etc/x", "a\\b", "..", ".", "", "a\0b", "C:x", "två bilder", "画" * 300]
)
def test_an_odd_route_name_stays_in_the_folder(tmp_path: Path, route: str) -> None:
    saved = Path(folder(tmp_path).save(picture(), route, PNG)["path"])
    assert saved.resolve().parent == (tmp_path / "deep" / "out").resolve()
    assert saved.name.startswith("20260304_050607_")
    assert saved.suffix == ".png"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [saved]


def test_a_folder_that_cannot_be_written_is_a_configuration_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match=r"files cannot be saved in .*file.*--output-dir"):
        ArtifactFolder(tmp_path / "file" / "inside").save(picture(), "r", PNG)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "F"])
def test_colour_modes_that_png_does_not_have_are_converted(mode: str) -> None:
    with Image.open(io.BytesIO(to_png(Image.new(mode, (2, 2))))) as image:
        assert image.mode == "RGB"


def test_a_file_of_another_type_has_its_own_suffix_and_no_size(tmp_path: Path) -> None:
    saved = folder(tmp_path).save(b"RIFF", "speech", Media("audio/wav", ".wav"))
    path = tmp_path / "deep" / "out" / "20260304_050607_speech.wav"
    assert saved == Artifact(path=str(path), mime_type="audio/wav", width=None, height=None)
    assert path.read_bytes() == b"RIFF"
    assert (kind_of(saved), describe(saved)) == ("audio", "audio/wav")
