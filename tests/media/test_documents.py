"""PDFs and TIFFs as pages: ranges, sizes, passwords, text layers, and files that are broken or hostile."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, LoadedPicture, LockedError, Source, load, open_document, pictures_of
from ernie_cli.media.documents import page_numbers
from ernie_cli.media.pdf import MOST_SIDE, plain_text, scale_of

from . import paper
from .helpers import encoded, sketch


def pages(
    data: bytes, part: str = "", limits: Limits | None = None, password: str | None = None
) -> list[LoadedPicture]:
    with open_document(Source("paper", part, data), limits or Limits(), password) as document:
        return [document.page(number) for number in document.numbers]


def failure(data: bytes, part: str = "", limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        pages(data, part, limits)
    assert caught.value.hint
    return caught.value


def ink(image: Image.Image) -> tuple[float, float]:
    """The middle of what is dark, as parts of width and height."""
    rows, columns = np.nonzero(np.asarray(image.convert("L")) < 128)
    return float(columns.mean() / image.width), float(rows.mean() / image.height)


# ------------------------------------------------------------------------------------------------ ranges


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        ("", (1, 2, 3, 4, 5)),
        ("3", (3,)),
        ("3-5", (3, 4, 5)),
        ("-2", (1, 2)),
        ("4-", (4, 5)),
        ("5,1-2", (5, 1, 2)),
        ("2,1-3", (2, 1, 3)),
        (" 3 - 4 ", (3, 4)),
    ],
)
def test_ranges(part: str, numbers: tuple[int, ...]) -> None:
    assert page_numbers(part, 5, "paper") == numbers


@pytest.mark.parametrize("part", ["0", "6", "4-9", "3-2", "x", "1-2-3", ",", "1,,2", "p=3", "-", "+1"])
def test_ranges_that_lead_nowhere(part: str) -> None:
    with pytest.raises(InputError) as caught:
        page_numbers(part, 5, "paper")
    assert "paper" in caught.value.message
    assert caught.value.hint


def test_only_the_pages_asked_for_come_with_their_numbers_and_texts() -> None:
    found = pages(paper.printed("One", "Two", "Three"), "3,1")
    assert [(page.page, page.text) for page in found] == [(3, "Three"), (1, "One")]


def test_inputs_of_every_command_may_be_documents(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(paper.printed("One", "Two"))
    sketch().save(tmp_path / "b.tiff", save_all=True, append_images=[sketch(20, 30), sketch(10, 10)])
    sketch().save(tmp_path / "c.png")
    names = [str(tmp_path / name) for name in ("a.pdf#2", "b.tiff#2-3", "c.png")]
    found = list(load(names, stdin=io.BytesIO()))
    assert [page.page for page in found] == [2, 2, 3, None]
    assert [page.image.size for page in found[1:]] == [(20, 30), (10, 10), (48, 32)]
    assert {page.image.mode for page in found} == {"RGB"}


def test_a_tiff_of_one_page_is_a_picture_whose_page_can_be_named() -> None:
    assert [page.page for page in pages(encoded(sketch(), "TIFF"))] == [None]
    assert [page.page for page in pages(encoded(sketch(), "TIFF"), "1")] == [1]
    assert "1 page" in failure(encoded(sketch(), "TIFF"), "2").message


def test_smaller_copies_in_a_tiff_are_no_pages() -> None:
    stream = io.BytesIO()
    copy = sketch(12, 8)
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    sketch().save(stream, "TIFF", save_all=True, append_images=[copy, sketch(20, 20)])
    assert [(page.page, page.image.size) for page in pages(stream.getvalue())] == [(1, (48, 32)), (2, (20, 20))]


def test_a_damaged_page_of_a_tiff_leaves_the_others(tmp_path: Path) -> None:
    stream = io.BytesIO()
    noise = Image.effect_noise((300, 300), 80).convert("RGB")
    sketch().save(stream, "TIFF", save_all=True, append_images=[noise])
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        image.seek(1)
        start = image.tag_v2[273][0]
    data = bytearray(stream.getvalue())
    del data[start + 1000 :]
    source = Source("paper", "", bytes(data))
    iterator = pictures_of(source)
    with pytest.raises(InputError):
        list(iterator)


# ------------------------------------------------------------------------------------------------ pixels


@pytest.mark.parametrize(
    ("width", "height"), [(595, 842), (842, 1191), (2384, 3370), (20_000, 20_000), (9_000, 3), (100, 50)]
)
def test_pages_are_drawn_at_200_dpi_or_what_the_pixels_allow(width: float, height: float) -> None:
    (page,) = pages(paper.with_content(b"", (0, 0, width, height)))
    pixels = page.image.width * page.image.height
    at_200_dpi = (width / 72 * 200) * (height / 72 * 200)
    assert pixels <= 4_842_768 * 1.01 + sum(page.image.size)
    if at_200_dpi <= 4_842_768:
        assert pixels == pytest.approx(at_200_dpi, rel=0.05, abs=sum(page.image.size))
    elif min(width, height) > 10:
        assert pixels == pytest.approx(4_842_768, rel=0.01)


def test_the_pixels_of_a_page_can_be_lowered() -> None:
    (page,) = pages(paper.printed("One"), limits=Limits(page_pixels=50_176))
    assert page.image.width * page.image.height == pytest.approx(50_176, rel=0.01)


def test_a_thin_line_of_a_page_is_no_endless_picture() -> None:
    assert scale_of(1e9, 1, 4_842_768) * 1e9 <= MOST_SIDE
    for nonsense in ((0, 10), (float("nan"), 10), (float("inf"), 10)):
        with pytest.raises(ValueError, match="no area"):
            scale_of(*nonsense, 4_842_768)


def test_turned_pages_come_out_upright() -> None:
    def turn(pdf: pikepdf.Pdf) -> None:
        pdf.pages[1].Rotate = 90
        pdf.pages[2].Rotate = 180

    plain, quarter, half = pages(paper.changed(paper.printed("Word", "Word", "Word"), turn))
    assert quarter.image.size == plain.image.size[::-1]
    (x, y), (turned_x, turned_y), (half_x, half_y) = (ink(page.image) for page in (plain, quarter, half))
    assert (turned_x, turned_y) == pytest.approx((1 - y, x), abs=0.01)
    assert (half_x, half_y) == pytest.approx((1 - x, 1 - y), abs=0.01)


def test_only_the_cropped_part_of_a_page_is_drawn() -> None:
    def crop(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].CropBox = pikepdf.Array([0, 0, 150, 100])

    (page,) = pages(paper.changed(paper.printed("Word"), crop))
    assert page.image.size == pytest.approx((150 / 72 * 200, 100 / 72 * 200), abs=1)
    assert np.asarray(page.image).min() == 255  # the word is in the part that was cut away


def test_what_was_filled_into_a_form_is_seen_and_read() -> None:
    (empty,), (filled,) = pages(paper.with_form("")), pages(paper.with_form("Ida Holm"))
    assert (np.asarray(filled.image) != np.asarray(empty.image)).sum() > 1000
    assert filled.text is not None
    assert "Ida Holm" in filled.text
    assert "Name" in filled.text


# ------------------------------------------------------------------------------------------------ text layers


@pytest.mark.parametrize("turned", [0, 90])
def test_how_high_lines_of_print_are_drawn_is_known(turned: int) -> None:
    data = paper.changed(paper.printed("Lines of print"), lambda pdf: pdf.pages[0].rotate(turned, relative=False))
    (page,), (half,) = (pages(data, limits=Limits(page_pixels=pixels)) for pixels in (60_000, 15_000))
    assert page.image.size == ((200, 300) if turned else (300, 200))
    assert page.line_px
    assert half.line_px
    assert page.line_px == pytest.approx(24 * 1.15, rel=0.1)  # of Helvetica, from its highest letters to its lowest
    assert half.line_px == pytest.approx(page.line_px / 2, rel=0.01)
    assert [page.line_px for page in pages(paper.with_content(b"0 0 1 rg 10 10 100 100 re f"))] == [None]


def test_a_page_without_text_has_an_empty_layer() -> None:
    assert [page.text for page in pages(paper.with_content(b"0 0 1 rg 10 10 100 100 re f"))] == [""]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("One\r\nTwo  \r\n", "One\nTwo"),
        ("bro\ufffe\r\nken", "broken"),
        ("a\x00b\tc", "ab\tc"),
        ("\ue001\ue002\ue003 \ue004", ""),
        ("\x01\x03\x04\x05x", ""),
        ("Größe: 3 µm, 中文", "Größe: 3 µm, 中文"),
        ("", ""),
    ],
)
def test_layers_as_text(layer: str, text: str) -> None:
    assert plain_text(layer) == text


# ------------------------------------------------------------------------------------------------ refusals


def test_passwords() -> None:
    data = paper.printed("Secret", password="open sesame")
    assert [page.text for page in pages(data, password="open sesame")] == ["Secret"]
    for password, told in ((None, "needs a password"), ("wrong", "another password"), ("", "another password")):
        with pytest.raises(LockedError, match=told):
            pages(data, password=password)


def test_a_password_that_is_not_needed_does_no_harm() -> None:
    assert pages(paper.printed("Open"), password="x")[0].text == "Open"


def test_a_damaged_cross_reference_table_is_mended() -> None:
    data = paper.printed("One", "Two")
    broken = data.replace(b"startxref", b"startxxxx")
    assert b"startxref" not in broken
    assert [page.text for page in pages(broken)] == ["One", "Two"]


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\xff" * 5000, paper.printed("One")[:300]])
def test_what_is_damaged_beyond_that_is_told(data: bytes) -> None:
    assert "damaged" in failure(data).message


def test_a_document_without_pages() -> None:
    empty = io.BytesIO()
    pikepdf.new().save(empty)
    with pytest.raises(LockedError):
        pages(paper.printed("Secret", password="x"))
    assert failure(empty.getvalue()).message.startswith("paper has no pages")


def test_a_bitmap_that_claims_a_gigabyte_is_refused_before_it_is_decoded() -> None:
    error = failure(paper.with_bitmap(20_000, 18_000))
    assert "more than 200 megapixels" in error.message
    assert error.message.startswith("Page 1 of paper ")


def test_a_bitmap_that_ends_early_is_drawn_as_far_as_it_goes() -> None:
    (page,) = pages(paper.with_bitmap(400, 300))
    assert page.image.size == pytest.approx((833, 556), abs=1)


def test_a_page_that_cannot_be_drawn_leaves_the_others() -> None:
    def spoil(pdf: pikepdf.Pdf) -> None:
        with pikepdf.open(io.BytesIO(paper.with_bitmap(20_000, 18_000))) as other:
            pdf.pages.insert(1, other.pages[0])

    data = paper.changed(paper.printed("One", "Two"), spoil)
    with open_document(Source("paper", "", data), Limits()) as document:
        assert document.numbers == (1, 2, 3)
        with pytest.raises(InputError, match="Page 2"):
            document.page(2)
        assert document.page(3).text == "Two"


def test_several_threads_may_read_at_once() -> None:
    data, found = paper.printed(*"ABCDEFGH"), []

    def read() -> None:
        found.append("".join(page.text or "" for page in pages(data)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["ABCDEFGH"] * 4
