"""Boxes as Pascal VOC's XML, a file for each picture.

The VOC 2007 development kit counts pixels from 1 and includes the last one, in whole numbers: a box over all of a
picture is 1, 1, width, height. Detectron2 and supervision read it so. Hence xmin and ymin are our edges plus 1,
rounded, and xmax and ymax our far edges, rounded; a box thinner than a pixel becomes one pixel.
"""

from __future__ import annotations

from pathlib import PurePath
from xml.etree import ElementTree

from ernie_cli.tasks.results import GroundResult


def to_voc(result: GroundResult, image_path: str) -> str:
    """The file of one picture, which lies at `image_path` seen from the file's folder."""
    root = ElementTree.Element("annotation")
    path = PurePath(image_path)
    _add(root, folder=path.parent.name, filename=path.name, path=image_path)
    _add(ElementTree.SubElement(root, "source"), database="ernie ground")
    size = result.input.width, result.input.height
    _add(ElementTree.SubElement(root, "size"), width=size[0], height=size[1], depth=3)
    _add(root, segmented=0)
    for one in result.boxes or ():
        thing = ElementTree.SubElement(root, "object")
        _add(thing, name=one.label, pose="Unspecified", truncated=0, difficult=0)
        xmin, xmax = _pixels(one.box[0], one.box[2], size[0])
        ymin, ymax = _pixels(one.box[1], one.box[3], size[1])
        _add(ElementTree.SubElement(thing, "bndbox"), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _pixels(near: float, far: float, length: int) -> tuple[int, int]:
    """The first and the last pixel between two edges, counted from 1."""
    first = min(int(near + 0.5) + 1, length)
    return first, max(first, min(int(far + 0.5), length))


def _add(parent: ElementTree.Element, **fields: object) -> None:
    for name, value in fields.items():
        # XML has no place at all for control characters.
        text = "".join(char if char.isprintable() else " " for char in str(value))
        ElementTree.SubElement(parent, name).text = text
