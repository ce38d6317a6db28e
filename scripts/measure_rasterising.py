"""Whether pages keep their words as they are sent: `python scripts/measure_rasterising.py FILE.pdf [FILE.pdf...]`.

rapidocr reads each page twice: as `ernie` draws it and the model's processor resizes it, and as PDFium draws it at 200
dpi. Recall is the share of the text layer's words that it reads (each as often as it stands there). Pages without at
least 30 words are passed over; the pages looked at are spread evenly over the files.

With `--pixels` for the pixel limit of another model. Needs `pip install rapidocr onnxruntime`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image
from rapidocr import RapidOCR

from ernie_cli.media import Limits, Source, open_document
from ernie_cli.media.limits import Limits as Defaults
from ernie_cli.runtime.vision import PICTURE_BUDGET, PixelBudget, fit

LEAST_WORDS = 30


def words(text: str) -> Counter[str]:
    """Words of letters and digits, without regard to case."""
    return Counter(re.findall(r"\w{2,}", text.lower()))


def recall(reader: Any, image: Image.Image, expected: Counter[str]) -> float:
    """The share of the expected words that are read."""
    found = reader(np.asarray(image.convert("RGB"))[:, :, ::-1])
    read = words(" ".join(found.txts or ()))
    return sum((read & expected).values()) / sum(expected.values())


def sent(image: Image.Image, pixels: int) -> Image.Image:
    """The picture as the model's processor resizes it."""
    height, width = fit(image.height, image.width, PixelBudget(PICTURE_BUDGET.least, pixels))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def measure(path: Path, count: int, pixels: int, reader: Any) -> list[tuple[int, float, float]]:
    """Page number and both recalls, for up to `count` pages of a file."""
    found = []
    pdf = pypdfium2.PdfDocument(path)
    with open_document(Source(path.name, "", path), Limits(page_pixels=pixels)) as document:
        step = max(1, len(document.numbers) // (count * 2))
        for number in document.numbers[::step]:
            page = document.page(number)
            expected = words(page.text or "")
            if sum(expected.values()) < LEAST_WORDS or number is None:
                continue
            plain = pdf[number - 1].render(scale=200 / 72).to_pil()
            found.append((number, recall(reader, sent(page.image, pixels), expected), recall(reader, plain, expected)))
            print(f"{path.name}#{number}: sent {found[-1][1]:.3f}, 200 dpi {found[-1][2]:.3f}", file=sys.stderr)
            if len(found) == count:
                break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=20, help="of all files together")
    parser.add_argument("--pixels", type=int, default=Defaults().page_pixels)
    options = parser.parse_args()
    reader = RapidOCR(params={"Global.log_level": "error"})
    each = -(-options.pages // len(options.files))
    found = [one for path in options.files for one in measure(path, each, options.pixels, reader)][: options.pages]
    ours, plain = (round(100 * sum(one[at] for one in found) / len(found), 2) for at in (1, 2))
    print(json.dumps({"pages": len(found), "sent": ours, "at_200_dpi": plain, "points_lost": round(plain - ours, 2)}))


if __name__ == "__main__":
    main()
