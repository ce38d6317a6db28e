"""PDFs to test with: plain ones by fpdf2, and what it cannot do by pikepdf."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

import pikepdf
from fpdf import FPDF


def printed(*pages: str, password: str | None = None, size: tuple[float, float] = (300, 200)) -> bytes:
    """A page of `size` points for each text, its first word in large print at the top left."""
    pdf = FPDF(unit="pt", format=size)
    pdf.set_margin(20)
    for text in pages:
        pdf.add_page()
        pdf.set_font("Helvetica", size=24)
        pdf.write(text=text)
    if password is not None:
        pdf.set_encryption(owner_password="owner", user_password=password)
    return bytes(pdf.output())


def changed(data: bytes, change: Callable[[pikepdf.Pdf], object]) -> bytes:
    """The PDF after `change` was made to it."""
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        pdf.save(stream)
    return stream.getvalue()


def with_content(content: bytes, box: Sequence[float] = (0, 0, 300, 200), **resources: pikepdf.Object) -> bytes:
    """One page that draws `content`."""
    pdf, stream = pikepdf.new(), io.BytesIO()
    page = pikepdf.Dictionary(
        Type=pikepdf.Name.Page,
        MediaBox=pikepdf.Array(box),
        Contents=pdf.make_stream(content),
        Resources=pikepdf.Dictionary(resources),
    )
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    pdf.save(stream)
    return stream.getvalue()


def with_bitmap(width: int, height: int, data: bytes = b"\0" * 1000) -> bytes:
    """One page with a picture that claims so many pixels, of which `data` are there."""
    pdf, stream = pikepdf.new(), io.BytesIO()
    names = pikepdf.Name
    raw = pikepdf.Stream(
        pdf,
        zlib.compress(data),
        {
            "/Type": names.XObject,
            "/Subtype": names.Image,
            "/Width": width,
            "/Height": height,
            "/ColorSpace": names.DeviceRGB,
            "/BitsPerComponent": 8,
            "/Filter": names.FlateDecode,
        },
    )
    page = pikepdf.Dictionary(
        Type=names.Page,
        MediaBox=pikepdf.Array([0, 0, 300, 200]),
        Contents=pdf.make_stream(b"300 0 0 200 0 0 cm /Im Do"),
        Resources=pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=pdf.make_indirect(raw))),
    )
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    pdf.save(stream)
    return stream.getvalue()


def with_form(filled: str) -> bytes:
    """One page with a text field that was filled in, and no drawing of it: viewers make that themselves."""

    def add(pdf: pikepdf.Pdf) -> None:
        font = pdf.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name("/Helvetica"))
        )
        field = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T=pikepdf.String("name"),
                V=pikepdf.String(filled),
                DA=pikepdf.String("/Helv 24 Tf 0 g"),
                Rect=pikepdf.Array([20, 40, 280, 80]),
                F=4,
                P=pdf.pages[0].obj,
            )
        )
        pdf.pages[0].obj.Annots = pikepdf.Array([field])
        pdf.Root.AcroForm = pikepdf.Dictionary(
            Fields=pikepdf.Array([field]),
            DA=pikepdf.String("/Helv 24 Tf 0 g"),
            DR=pikepdf.Dictionary(Font=pikepdf.Dictionary(Helv=font)),
            NeedAppearances=True,
        )

    return changed(printed("Name"), add)
