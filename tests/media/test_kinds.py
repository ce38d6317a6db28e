from __future__ import annotations

import pytest

from ernie_cli.media.kinds import Kind, is_heif, sniff

from .helpers import encoded, sketch


@pytest.mark.parametrize(
    "format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "PPM", "JPEG2000", "ICO", "QOI", "DDS", "SGI"]
)
def test_pictures_are_known_by_their_bytes(format: str) -> None:
    assert sniff(encoded(sketch(), format)[:4096]) is Kind.PICTURE


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", Kind.PICTURE),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2avc1mp41", Kind.VIDEO),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Kind.VIDEO),
        (b"\0\0\0\x14ftypM4A \0\0\0\0", Kind.UNKNOWN),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Kind.VIDEO),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", Kind.VIDEO),
        (b"RIFF\x10\0\0\0AVI LIST", Kind.VIDEO),
        (b"RIFF\x10\0\0\0WAVEfmt ", Kind.UNKNOWN),
        ((b"\x47" + bytes(187)) * 3, Kind.VIDEO),
        (b"\0\0\1\xba\x44\0", Kind.VIDEO),
        (b"%PDF-1.7\n%\xe2\xe3", Kind.PDF),
        (b"junk first\n%PDF-1.4\n", Kind.PDF),
        (b"Dear diary,\n", Kind.TEXT),
        ("Größe".encode()[:3], Kind.TEXT),  # cut within a character
        ("Größe".encode("utf-16"), Kind.TEXT),
        (b"BMW is a maker of cars and of motorcycles.", Kind.TEXT),
        (b"P5 is a library for drawing", Kind.TEXT),
        (b"\n<!DOCTYPE html><html>", Kind.WEB_PAGE),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', Kind.DRAWING),
        (b"<html><body><svg></svg>", Kind.WEB_PAGE),
        (b"PK\x03\x04\x14\0\x06\0", Kind.UNKNOWN),
        (b"\x7fELF\x02\x01\x01\0", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
    ],
)
def test_kind_of_head(head: bytes, kind: Kind) -> None:
    assert sniff(head) is kind


def test_only_heif_needs_its_plugin() -> None:
    assert is_heif(b"\0\0\0\x18ftypheic")
    assert is_heif(b"\0\0\0\x18ftypmif1")
    assert not is_heif(b"\0\0\0\x18ftypavif")
    assert not is_heif(b"\x89PNG\r\n\x1a\n\0\0\0\r")
