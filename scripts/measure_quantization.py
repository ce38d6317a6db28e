"""Measures what quantization promises: bytes, memory while loading, saved files, and how near the numbers stay.

    python scripts/measure_quantization.py [--hidden 1024] [--model ernie-nano] [--questions 100]

On a random fixture of 8 layers with 64 + 64 experts (2.4 GB at the usual width): the bytes predicted and measured, how
much of the experts is quantized, the most memory that loading took beyond the finished model (in layers of bfloat16),
the size of a quantized checkpoint, and whether it gives the same logits. On the model and the fixture: the relative
error of the logits, and how often the first choice stays.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import torch
from make_fixture import make_fixture
from PIL import Image, ImageDraw

from ernie_cli.messages import Picture, user
from ernie_cli.runtime.checkpoint import Checkpoint, find
from ernie_cli.runtime.inputs import prepare
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.model import Model
from ernie_cli.runtime.precision import ABSMAX, PRECISIONS, SCALE, Precision, weigh
from ernie_cli.runtime.quantize import quantize_checkpoint

QUESTIONS = ("What is in the picture?", "How many shapes are there?", "Is there a red circle?", "Find every shape.")


class Peak:
    """The most anonymous memory this process held, in bytes; files that are mapped do not count."""

    def __init__(self) -> None:
        self.bytes = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Looks at the process's memory every two milliseconds."""
    peak, done = Peak(), threading.Event()

    def look() -> None:
        while not done.is_set():
            peak.bytes = max(peak.bytes, anonymous())
            time.sleep(0.002)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def anonymous() -> int:
    """Bytes of memory that no file stands behind (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("This system does not tell how much memory is anonymous.")


def logits(model: Model, count: int) -> torch.Tensor:
    """(count, vocabulary): what follows `count` prompts, each with a drawn picture."""
    rows = []
    for seed in range(count):
        random = Random(seed)
        image = Image.new("RGB", (168, 140), (235, 235, 235))
        x, y, size = random.randint(0, 90), random.randint(0, 70), random.randint(20, 70)
        color = tuple(random.randint(0, 255) for _ in range(3))
        ImageDraw.Draw(image).ellipse((x, y, x + size, y + size), fill=color)
        asked = [user(Picture(image), random.choice(QUESTIONS))]
        rows.append(model.start(prepare(asked, model.checkpoint)).logits)
    return torch.stack(rows)


def compare(name: str, checkpoint: Checkpoint, count: int) -> None:
    """How near the logits of int8 and nf4 stay to those of bf16."""
    exact = logits(load(checkpoint, "cpu", "bf16"), count)
    for precision in ("int8", "nf4"):
        near = logits(load(checkpoint, "cpu", precision), count)
        error = ((near - exact).norm() / exact.norm()).item()
        same = (near.argmax(1) == exact.argmax(1)).float().mean().item()
        print(f"{name}: {precision}: relative error of the logits {error:.4f}, first choice the same {same:.3f}")


def held(model: Model) -> tuple[int, float]:
    """The bytes of a model, and the share of its experts' bytes that is quantized or a scale."""
    experts = {name: w for name, w in model.native.named_parameters() if ".experts." in name and "shared" not in name}
    kept = [w.nbytes for name, w in experts.items() if w.is_floating_point() and not name.endswith((SCALE, ABSMAX))]
    whole = sum(w.nbytes for w in experts.values())
    return sum(model.bytes_by_dtype().values()), 1 - sum(kept) / whole


def measure(fixture: Checkpoint, precision: Precision) -> None:
    layer = weigh(fixture.config, "bf16").largest_layer
    gc.collect()
    before = anonymous()
    with watched() as peak:
        model = load(fixture, "cpu", precision)
        finished = anonymous() - before
    extra = (peak.bytes - before - max(finished, 0)) / layer
    size, share = held(model)
    assert model.choice is not None
    predicted, gb = model.choice.need.weights.total, 1e9
    sizes = f"predicted {predicted / gb:.4f} GB, measured {size / gb:.4f} GB ({size / predicted:.4f})"
    experts = f"; {share:.4f} of the experts' bytes are quantized" if precision != "bf16" else ""
    print(f"fixture: {precision}: {sizes}; loading took {extra:.2f} layers more than the model{experts}", flush=True)


def saved(fixture: Checkpoint, precision: Precision, folder: Path) -> None:
    out = folder / precision
    written = quantize_checkpoint(fixture, out, precision)
    stored = sum(file.stat().st_size for file in fixture.folder.glob("*.safetensors"))
    fresh, again = load(fixture, "cpu", precision), load(Checkpoint(out, precision), "cpu")
    same = torch.equal(logits(fresh, 2), logits(again, 2))
    print(f"fixture: {precision}: saved in {written / stored:.4f} of the bf16 files; same logits bit for bit: {same}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=1024, help="width of the fixture")
    parser.add_argument("--model", default="ernie-nano", help="the model whose logits are compared as well")
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        make_fixture(folder / "fixture", layers=8, experts=64, hidden=options.hidden)
        fixture = Checkpoint(folder / "fixture", "fixture")
        for precision in PRECISIONS:
            measure(fixture, precision)
        for precision in PRECISIONS[1:]:
            saved(fixture, precision, folder)
        compare("fixture", fixture, 10)
    finally:
        shutil.rmtree(folder)
    compare(options.model, find(options.model), options.questions)


if __name__ == "__main__":
    main()
