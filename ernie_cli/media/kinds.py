"""What some bytes are, told by their first few and never by a name.

The marks are those of the formats' own specifications. Pillow has the last word on what is a picture: a mark only
decides who is asked to read the bytes, and which words an error uses.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum

SNIFF_BYTES = 4096


class Kind(Enum):
    """The value is how an error calls it."""

    PICTURE = "a picture"
    PDF = "a PDF"
    VIDEO = "a video"
    DRAWING = "an SVG drawing"
    WEB_PAGE = "a web page"
    TEXT = "text"
    UNKNOWN = "of an unknown kind"


_PICTURE_MARKS = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP"
    rb"|II[*+]\x00|MM\x00[*+]"  # TIFF, BigTIFF
    rb"|BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00"  # BMP, with the size of its second header
    rb"|\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"  # JPEG 2000, as a file and bare
    rb"|P[1-6]\s+[\d#]|P[fF]\s+\d"  # PPM and its family
    rb"|....ftyp(avi[fs]|he[iv][cxms]|m[is]f1)"  # AVIF, HEIC, and either of them
    rb"|\x00\x00\x01\x00[^\x00]|icns|8BPS\x00\x01"  # ICO, ICNS, PSD
    rb"|qoif|DDS |\x01\xda[\x00\x01][\x01\x02]",  # the last is SGI
    re.DOTALL,
)
_VIDEO_MARKS = re.compile(
    rb"\x1a\x45\xdf\xa3"  # Matroska, WebM
    rb"|RIFF....AVI |FLV\x01|YUV4MPEG2 "
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # ASF, WMV
    rb"|\x00\x00\x01[\xba\xb3]"  # MPEG program and elementary streams
    rb"|\x47.{187}\x47.{187}\x47|.{4}\x47.{191}\x47.{191}\x47"  # MPEG transport stream, and with time codes
    rb"|OggS.{1,100}\x80theora"
    rb"|....ftyp(?!M4[ABP] |crx |jxl )"  # MP4, QuickTime; not sound, and not pictures that nothing here reads
    rb"|....(moov|mdat|wide|pnot)",  # QuickTime from before `ftyp`
    re.DOTALL,
)


def sniff(head: bytes) -> Kind:
    """The kind of the bytes that begin with `head`, of which `SNIFF_BYTES` are enough."""
    if _PICTURE_MARKS.match(head):
        return Kind.PICTURE
    if b"%PDF-" in head[:1024]:  # readers let it start late
        return Kind.PDF
    if _VIDEO_MARKS.match(head):
        return Kind.VIDEO
    return _written(head) if _is_text(head) else Kind.UNKNOWN


def is_heif(head: bytes) -> bool:
    """Whether the bytes are of the family that Pillow reads only with pillow-heif's help."""
    return head[4:8] == b"ftyp" and head[8:12] not in {b"avif", b"avis"}


def _is_text(head: bytes) -> bool:
    if not head or (b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))):
        return False
    encoding = "utf-16" if b"\0" in head else "utf-8"
    try:
        # Incremental, since the head may end within a character.
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _written(head: bytes) -> Kind:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(b"<") and b"<svg" in start:
        return Kind.WEB_PAGE if b"<html" in start else Kind.DRAWING
    return Kind.WEB_PAGE if start.startswith((b"<!doctype html", b"<html")) else Kind.TEXT
