"""Files that commands write: pictures in the format of their name, and refusals before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ernie_cli.cli.files import check_folder, save_picture
from ernie_cli.errors import InputError


@pytest.mark.parametrize(("name", "format"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")])
def test_a_picture_has_the_format_of_its_name(tmp_path: Path, name: str, format: str) -> None:
    save_picture(Image.new("RGB", (8, 6)), tmp_path / name)
    with Image.open(tmp_path / name) as read:
        assert (read.format, read.size) == (format, (8, 6))


def test_a_picture_too_large_for_its_format_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written as WEBP") as failed:
        save_picture(Image.new("RGB", (16_384, 1)), tmp_path / "wide.webp")
    assert ".png" in failed.value.hint
    assert not (tmp_path / "wide.webp").exists()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inner" / "folder"):
        with pytest.raises(InputError):
            check_folder(place)
    check_folder(None, tmp_path, tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
