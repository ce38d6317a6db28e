"""Times how a clip's frames become the model's input, against transformers' own video processor, and compares both.

    pip install --no-deps torchvision==0.28.0      # or into a folder of its own, named by PYTHONPATH
    python scripts/bench_video.py

Both get the same frames, each as its own decoder gives them, draw the same clock, and make float32 numbers of all of
them: transformers at once, this program a piece at a time, as its model takes them. Runs alternate, each side on one
thread, and the ratio is that of the medians of processor time, which other work disturbs less than the wall's clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ernie_cli.media.clock import draw_clock, find_font
from ernie_cli.runtime.vision import normalise, patchify_video

GRID, GREY = 14, 1 / 255  # pixels of a patch; one grey level of 256


_LIBRARIES: list[Any] = []  # an operator lives as long as its library


def reference() -> Any:
    """transformers' processor. Raises ImportError if torchvision is not there."""
    import torch

    # torchvision's compiled part does not load with every build of torch, and this processor needs none of it.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)
    from transformers.models.ernie4_5_vl_moe.video_processing_ernie4_5_vl_moe import Ernie4_5_VLMoeVideoProcessor

    return Ernie4_5_VLMoeVideoProcessor(font=str(find_font()))


def theirs(processor: Any, frames: np.ndarray[Any, Any], fps: float) -> np.ndarray[Any, Any]:
    """The patches (patches, 588) of frames (count, height, width, 3), as transformers makes them. Draws into them."""
    from transformers.video_utils import VideoMetadata

    count = len(frames)
    told = VideoMetadata(total_num_frames=count, fps=fps, duration=count / fps, frames_indices=list(range(count)))
    made = processor(videos=[frames], video_metadata=[told], do_sample_frames=False, return_tensors="pt")
    patches: np.ndarray[Any, Any] = made["pixel_values_videos"].numpy()
    return patches


def ours(frames: Sequence[Image.Image], fps: float) -> Iterator[np.ndarray[Any, Any]]:
    """The same as this program makes them, a piece after the other in the same memory. Draws into them."""
    import torch

    from ernie_cli.runtime.model import pieces

    for at, image in enumerate(frames):
        draw_clock(image, at / fps)
    room = torch.empty(0)
    patches = patchify_video(frames)
    for which, _ in pieces(patches):
        yield normalise(torch.from_numpy(patches.levels(which)), room).numpy()


def joined(made: Iterator[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """All pieces as one array."""
    return np.concatenate([piece.copy() for piece in made])


def as_images(frames: np.ndarray[Any, Any]) -> list[Image.Image]:
    """Frames as this program's decoder gives them."""
    return [Image.fromarray(frame) for frame in frames]


def drawn(count: int, width: int, height: int) -> np.ndarray[Any, Any]:
    """Frames (count, height, width, 3) with edges, gradients and noise, the same every time."""
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (count, height // 16, width // 16, 3), dtype=np.uint8)
    frames = np.stack([np.asarray(Image.fromarray(one).resize((width, height))) for one in small])
    frames[:, ::7, ::5] = random.integers(0, 255, 3)
    return frames


def within_one_level(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """The share of numbers that are at most one grey level apart."""
    from ernie_cli.runtime.vision import STD

    level = np.repeat(GREY / STD, GRID * GRID).astype(np.float32)
    near = [np.abs(x - y) <= level * 1.01 for x, y in zip(np.array_split(a, 50), np.array_split(b, 50), strict=True)]
    return float(np.mean([part.mean() for part in near]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--frames", type=int, default=180)
    options.add_argument("--size", default="1280x720")
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    import torch

    torch.set_num_threads(1)
    processor = reference()
    width, height = map(int, given.size.split("x"))
    frames = drawn(given.frames, width, height)
    few = frames[: min(8, len(frames))]
    share = within_one_level(theirs(processor, few.copy(), 2.0), joined(ours(as_images(few), 2.0)))
    print(f"within one grey level: {share:.5%} of the numbers of {len(few)} frames")
    seconds: dict[str, list[float]] = {"transformers": [], "ernie": []}
    for turn in range(given.repeat + 1):
        for name, times in seconds.items():
            given_frames: Any = frames.copy() if name == "transformers" else as_images(frames)
            begun = time.process_time()
            if name == "transformers":
                theirs(processor, given_frames, 2.0)
            else:
                deque(ours(given_frames, 2.0), maxlen=0)
            if turn:  # the first warms up: memory that the system hands out for the first time is slow
                times.append(time.process_time() - begun)
            del given_frames
    for name, times in seconds.items():
        print(
            f"{name}: {statistics.median(times) / given.frames * 1000:.1f} ms a frame ({given.frames} of {given.size})"
        )
    print(f"ratio: {statistics.median(seconds['transformers']) / statistics.median(seconds['ernie']):.1f}")


if __name__ == "__main__":
    main()
