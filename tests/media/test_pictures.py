from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from PIL.Image import Transpose

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, LoadedPicture, Source, load, open_picture
from ernie_cli.media.rgb import to_rgb

from .helpers import encoded, opened, sketch

# What a camera held in each way stores: the inverse of what the EXIF orientation asks a viewer to do.
STORED = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "TIFF-LZW": {"compression": "tiff_lzw"},
}
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
}


@pytest.fixture(scope="module", autouse=True)
def _heif_writer() -> None:
    pillow_heif.register_heif_opener()


def difference(image: Image.Image, expected: Image.Image) -> int:
    assert (image.mode, image.size) == ("RGB", expected.size)
    return int(np.abs(np.asarray(image, np.int16) - np.asarray(expected.convert("RGB"), np.int16)).max())


def failure(data: bytes, limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(data, limits)
    assert caught.value.hint
    assert caught.value.message.startswith("photo ")
    assert caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_pictures_come_out_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED[orientation]
    stored = sketch() if turn is None else sketch().transpose(turn)
    data = encoded(stored, format.partition("-")[0], exif=exif.tobytes(), **(LOSSLESS | LOSSY)[format])
    image = opened(data).image
    assert difference(image, sketch()) <= (0 if format in LOSSLESS else 20)
    assert image.getexif().get(0x0112) is None


def test_an_impossible_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert difference(opened(encoded(sketch(), "PNG", exif=exif)).image, sketch()) == 0


def test_broken_exif_does_not_cost_the_picture() -> None:
    data = encoded(sketch(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert difference(opened(data).image, sketch()) == 0


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("L", "PNG"),
        ("L", "JPEG2000"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("1", "TIFF"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("CMYK", "TIFF"),
        ("RGBX", "TIFF"),
    ],
)
def test_modes_become_what_pillow_shows(mode: str, format: str) -> None:
    image = sketch().convert(mode)
    assert difference(opened(encoded(image, format)).image, image.convert("RGB")) <= 1


def test_cmyk_jpeg() -> None:
    assert difference(opened(encoded(sketch().convert("CMYK"), "JPEG", quality=100)).image, sketch()) <= 40


def to_lab(image: Image.Image) -> Image.Image:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(image, transform)
    assert lab is not None
    return lab


def test_lab() -> None:
    assert difference(opened(encoded(to_lab(sketch()), "TIFF")).image, sketch()) <= 10


def test_alpha_is_laid_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)])
    shown = opened(encoded(image, "PNG")).image
    assert [shown.getpixel((x, 0)) for x in range(3)] == [(10, 20, 30), (255, 255, 255), (127, 127, 127)]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF", "ICO"])
def test_alpha_in_other_formats(format: str) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert opened(encoded(image, format)).image.getextrema() == ((255, 255),) * 3


def test_grey_with_alpha() -> None:
    shown = opened(encoded(Image.new("LA", (4, 4), (0, 51)), "PNG")).image
    assert shown.getpixel((0, 0)) == (204, 204, 204)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00", b"\xff\x33"])
def test_transparent_palette_entries(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 0])
    image.putpixel((1, 0), 1)
    shown = opened(encoded(image, "PNG", transparency=transparency)).image
    grey = 204 if transparency == b"\xff\x33" else 255
    assert [shown.getpixel((x, 0)) for x in range(2)] == [(200, 0, 0), (grey, grey, grey)]


@pytest.mark.parametrize(("mode", "key"), [("L", 0), ("RGB", (0, 0, 0)), ("1", 0), ("I;16", 0)])
def test_a_transparent_colour(mode: str, key: Any) -> None:
    shown = opened(encoded(Image.new(mode, (2, 2)), "PNG", transparency=key)).image
    assert shown.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBa"])
def test_modes_that_few_files_have(mode: str) -> None:
    image = sketch().convert("RGBA" if mode == "RGBa" else "RGB")
    assert difference(to_rgb(to_lab(image) if mode == "LAB" else image.convert(mode)), sketch()) <= 10


def test_palette_with_alpha() -> None:
    image = Image.new("PA", (1, 1))
    image.putpalette([200, 0, 0])
    image.putalpha(0)
    assert to_rgb(image).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("values", "format", "expected"),
    [
        (np.array([[0, 32896, 65535]], np.uint16), "PNG", [0, 128, 255]),
        (np.array([[0, 32896, 65535]], np.uint16), "TIFF", [0, 128, 255]),
        (np.array([[257, 514]], np.uint16), "PNG", [1, 2]),  # dark stays dark
        (np.array([[0, 32896, 65535]], np.int32), "TIFF", [0, 128, 255]),
        (np.array([[-1000, 0, 1000]], np.int32), "TIFF", [0, 128, 255]),
        (np.array([[0, 50_000, 100_000]], np.int32), "TIFF", [0, 128, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), "TIFF", [0, 128, 255]),
        (np.array([[0.0, 100.0, 200.0]], np.float32), "TIFF", [0, 100, 200]),
        (np.array([[-2.0, 0.0, 2.0]], np.float32), "TIFF", [0, 128, 255]),
        (np.array([[0.0, np.nan, np.inf]], np.float32), "TIFF", [0, 0, 255]),
        (np.array([[np.nan, np.nan]], np.float32), "TIFF", [0, 0]),
        (np.array([[-7, -7]], np.int32), "TIFF", [0, 0]),
    ],
)
def test_deep_greys_keep_their_shades(values: np.ndarray[Any, Any], format: str, expected: list[int]) -> None:
    shown = opened(encoded(Image.fromarray(values), format)).image
    assert np.asarray(shown).tolist() == [[[grey] * 3 for grey in expected]]


@pytest.mark.parametrize(
    ("format", "note"),
    [
        ("GIF", "photo is animated; only its first frame is used."),
        ("WEBP", "photo is animated; only its first frame is used."),
        ("PNG", "photo is animated; only its first frame is used."),
        ("AVIF", "photo is animated; only its first frame is used."),
        ("TIFF", "photo has several pages; only the first is used."),
        ("HEIF", "photo holds several pictures; only the main one is used."),
        ("MPO", None),
    ],
)
def test_only_the_first_of_several(format: str, note: str | None) -> None:
    rest = [Image.new("RGB", (48, 32), colour) for colour in ("black", "white")]
    picture = opened(encoded(sketch(), format, save_all=True, append_images=rest))
    assert picture.notes == ((note,) if note else ())
    assert abs(np.subtract(picture.image.getpixel((40, 4)), (30, 180, 60))).max() <= 12


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "HEIF", "AVIF"])
def test_a_single_frame_has_no_note(format: str) -> None:
    assert opened(encoded(sketch(), format)).notes == ()


def noise(seed: int = 0) -> Image.Image:
    return Image.frombytes("RGB", (40, 30), random.Random(seed).randbytes(3600))


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("HEIF", {}),
        ("AVIF", {}),
        ("JPEG2000", {"no_jp2": True}),
    ],
)
def test_a_cut_file_never_gives_half_a_picture(format: str, options: dict[str, Any]) -> None:
    data = encoded(noise(), format, **options)
    whole, given = opened(data).image.tobytes(), []
    for cut in sorted({*range(1, len(data), len(data) // 80), *range(len(data) - 40, len(data))}):
        try:
            given.append((len(data) - cut, opened(data[:cut]).image.tobytes() == whole))
        except InputError:
            continue
    # Without its last marks a PNG or GIF still has all its pixels.
    assert all(left <= 20 and same for left, same in given)
    assert not given or format in {"PNG", "GIF"}


def test_truncated_jpeg_says_so() -> None:
    data = encoded(noise(), "JPEG")
    assert "photo is a damaged or unusual picture: image file is truncated" in failure(data[: len(data) // 2]).message


def test_a_jpeg_2000_that_ends_before_its_first_tile() -> None:
    data = encoded(noise(), "JPEG2000", no_jp2=True)
    start = data.index(b"\xff\x90")  # SOT
    for cut in range(start, start + 40):
        assert "damaged" in failure(data[:cut]).message


def png(width: int, height: int, rows: bytes) -> bytes:
    """A 1-bit grey PNG that claims a size, whatever its rows hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("rows", [b"", bytes(20_000 * 2_501)])
def test_bombs_are_refused_by_their_header(rows: bytes) -> None:
    size = (20_000, 20_000) if rows else (60_000, 60_000)
    assert failure(png(*size, rows)).message == "photo has more than 200 megapixels, the most that is read."


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "TIFF", "HEIF", "AVIF", "BMP", "JPEG2000"])
def test_the_pixel_limit_is_exact(format: str) -> None:
    data = encoded(Image.new("RGB", (64, 48), "red"), format)
    assert opened(data, Limits(pixels=64 * 48)).image.size == (64, 48)
    assert "megapixels" in failure(data, Limits(pixels=64 * 48 - 1)).message


def test_pillows_own_settings_neither_matter_nor_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    filters = list(warnings.filters)
    assert opened(encoded(sketch(), "PNG")).image.size == (48, 32)
    failure(b"\x89PNG\r\n\x1a\n")
    assert Image.MAX_IMAGE_PIXELS == 10
    assert warnings.filters == filters


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "photo is empty."),
        (b"Dear diary", "photo is text, not a picture."),
        (b"<svg/>", "photo is an SVG drawing, not a picture."),
        (b"%PDF-1.7\n", "photo is a PDF, not a picture."),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "photo is a video, not a picture."),
        (b"PK\x03\x04\x14\0\x06\0", "photo is of an unknown kind, and cannot be read."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n\xff\xff", "photo is of an unknown kind, and cannot be read."),
        (b"\xff\xd8\xff", "photo is a damaged or unusual picture."),
        (b"P5 0 0 255\n", "photo is a damaged or unusual picture."),
    ],
)
def test_what_is_no_picture(data: bytes, message: str) -> None:
    error = failure(data)
    assert (error.message, error.exit_code) == (message, 3)


def test_pillows_error_is_kept_as_the_cause() -> None:
    assert isinstance(failure(b"\x89PNG\r\n\x1a\nrubbish").__cause__, Exception)


def test_eps_never_starts_ghostscript(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    failure(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n% \xff\nshowpage\n")


def test_a_raw_files_preview_is_not_taken_for_the_photo() -> None:
    raw = encoded(sketch(), "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    assert failure(raw).message == "photo is a camera's raw file, of which only a preview could be read."


def test_a_picture_has_no_parts() -> None:
    with pytest.raises(InputError, match="photo is a picture, and has no part #2"):
        open_picture(Source("photo", "2", encoded(sketch(), "PNG")), Limits())


def test_bytes_count_and_names_do_not(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(encoded(sketch(), "PNG"))
    (tmp_path / "words.jpg").write_text("Dear diary")
    [picture] = load([str(tmp_path / "photo.txt")], stdin=io.BytesIO())
    assert difference(picture.image, sketch()) == 0
    with pytest.raises(InputError, match=r"words.jpg is text, not a picture\."):
        next(load([str(tmp_path / "words.jpg")], stdin=io.BytesIO()))


def test_pictures_are_opened_one_at_a_time(tmp_path: Path) -> None:
    sketch().save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    pictures = load([str(tmp_path / "*.png")], stdin=io.BytesIO())
    assert isinstance(next(pictures), LoadedPicture)
    with pytest.raises(InputError):
        next(pictures)


def test_nothing_is_printed_and_no_warning_escapes(capfd: pytest.CaptureFixture[str]) -> None:
    palette = encoded(sketch().convert("P"), "PNG", transparency=b"\0\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(palette)
        failure(encoded(noise(), "TIFF")[:-3000])
    assert capfd.readouterr() == ("", "")
