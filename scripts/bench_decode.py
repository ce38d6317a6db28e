"""How fast the same random weights decode in bf16, int8 and nf4, beside what a user would run instead.

    python scripts/bench_decode.py                    on a GPU: the 28B's shape, absolute figures
    python scripts/bench_decode.py --device cpu       half its width and few layers, one core, ratios only
    python scripts/bench_decode.py --layers 7         for a card that does not hold all layers in bfloat16

In one run and for one prompt of text, a Markdown table of: transformers' `generate` (greedy, with its KV cache) in
bfloat16; our runtime in bf16, int8 and nf4; transformers' `load_in_8bit=True` with `generate`. No checkpoint is read or
written: `from_pretrained` takes weights that are drawn on the device when it asks for them, each from its own name, so
every row has the same ones, loaded and quantized as the engine does. A row that cannot be run says why.

The engine's work for a token is timed: the forward pass, the greedy choice, taking the token; not the text made of it.
A gap is the median time between two tokens, over all runs. The floor is the time to read, at the bandwidth of a large
copy on the same device, what a token must read (`bytes_read`). Peak memory is that of prefill and decoding: on a GPU
what torch allocated at most, on a CPU anonymous memory beyond what the process had before the weights.

The way to the table is the same on every device. It was run on a CPU only: on a GPU not yet.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import psutil
import torch
from drawn_model import SEED, bytes_read, read, shape
from torch import Tensor
from transformers import Ernie4_5_VLMoeConfig
from transformers.generation.streamers import BaseStreamer

from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import expected_tensors
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.model import Decoding, Model
from ernie_cli.runtime.positions import positions
from ernie_cli.runtime.sampling import Sampler, Sampling

WARM_UP = 4  # tokens
LOADS = ("bf16", "int8", "nf4", "8bit")


# ------------------------------------------------------------------------------------------------ running


@dataclass
class Row:
    """What one way of running shows. Seconds: of each run until its first token, and between any two tokens."""

    name: str
    load: str
    way: Way
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    weights: int = 0  # bytes
    peak: int = 0  # bytes
    logits: Tensor = field(default_factory=lambda: torch.empty(0))  # (vocabulary,), after the prompt

    def add(self, begun: float, marks: Sequence[float]) -> None:
        self.first.append(marks[0] - begun)
        self.gaps += [after - before for before, after in pairwise(marks)]

    def seconds(self) -> tuple[float, float]:
        """Until the first token, and between two."""
        return statistics.median(self.first), statistics.median(self.gaps)


@dataclass(frozen=True)
class Bench:
    """What is run: a shape, a device, a prompt of so many tokens, so many more, so many times."""

    config: Ernie4_5_VLMoeConfig
    device: str
    prompt: int
    tokens: int
    runs: int

    @property
    def ids(self) -> np.ndarray[Any, Any]:
        random = np.random.default_rng(SEED)
        ids: np.ndarray[Any, Any] = random.integers(3, self.config.text_config.vocab_size, self.prompt)
        ids[np.isin(ids, [self.config.image_token_id, self.config.video_token_id])] = 3  # no picture comes with them
        return ids

    def now(self) -> float:
        """Seconds; on a CPU those of this thread, so that whatever else runs on the core does not count.

        Asked when a token has just come from the device, so that nothing is under way there.
        """
        return time.thread_time() if self.device == "cpu" else time.perf_counter()


Way: TypeAlias = "Callable[[Bench, Any, int], tuple[float, list[float]]]"
"""Writes so many tokens with a model: when it began, and when each token was there."""


class Marks(BaseStreamer):  # type: ignore[misc]
    """When `generate` gave each token; it gives the prompt first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.at: list[float] = []

    def put(self, value: Tensor) -> None:
        self.at.append(self._now())

    def end(self) -> None:
        """Nothing to do."""


def theirs(bench: Bench, native: Any, count: int) -> tuple[float, list[float]]:
    """transformers' `generate`, greedy."""
    marks, begun = Marks(bench.now), bench.now()
    ids = torch.from_numpy(bench.ids)[None].to(bench.device)
    asked = {"max_new_tokens": count, "do_sample": False, "use_cache": True}
    native.generate(ids, attention_mask=torch.ones_like(ids), streamer=marks, **asked)
    assert len(marks.at) == count + 1, "generate ended early"
    return begun, marks.at[1:]


def ours(bench: Bench, native: Any, count: int) -> tuple[float, list[float]]:
    """What `runtime.generate` does for each token, but for the text."""
    begun, marks = bench.now(), []
    decoding, sampler = start(bench, native), Sampler(Sampling(temperature=0), bench.ids)
    for left in reversed(range(count)):
        token = sampler.pick(decoding.logits)
        marks.append(bench.now())
        if left:
            decoding.push(token)
    return begun, marks


def start(bench: Bench, native: Any) -> Decoding:
    """The prompt, read by our runtime."""
    ids = bench.ids
    where, following = positions([len(ids)])
    none = np.zeros(len(ids), dtype=bool)
    inputs = ModelInputs(ids, where, none, none, (), following, opens_thought=False)
    return Model(Checkpoint(Path(), "random"), native).start(inputs)


@torch.inference_mode()
def foretold(bench: Bench, row: Row, native: Any) -> Tensor:
    """The logits (vocabulary,) after the prompt, each side's by its own forward pass."""
    if row.way is ours:
        return start(bench, native).logits.float().cpu()
    ids = torch.from_numpy(bench.ids)[None].to(bench.device)
    logits: Tensor = native(input_ids=ids, logits_to_keep=1).logits[0, -1]
    return logits.float().cpu()


def peak_memory(device: str, before: int, work: Callable[[], Any]) -> int:
    """The most bytes held meanwhile: on a GPU those torch allocated, on a CPU anonymous ones beyond `before`."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device)
    seen, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            seen.append(max(seen.pop(), anonymous() - before))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return seen[0]


def anonymous() -> int:
    """Bytes of this process that no file stands behind."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


def let_go(device: str) -> None:
    """Gives memory back that nobody holds any more."""
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library that is not GNU's
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def bandwidth(bench: Bench) -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.ones(2**28 if bench.device == "cpu" else 2**30, dtype=torch.uint8, device=bench.device)
    target, seconds = torch.empty_like(source), []
    for _ in range(8):
        begun = bench.now()
        target.copy_(source)
        target[-1].item()  # waits for it
        seconds.append(bench.now() - begun)
    return 2 * source.nbytes / statistics.median(seconds[1:])


def measure(bench: Bench, load: str) -> list[Row]:
    """Loads the weights once, warms up each way of running them, and runs these in turn."""
    let_go(bench.device)
    before = anonymous()
    native = read(bench.config, load, bench.device)
    rows = rows_of(load)
    for row in rows:
        let_go(bench.device)
        row.peak = peak_memory(bench.device, before, partial(row.way, bench, native, WARM_UP))
        row.weights = sum(weight.nbytes for weight in {id(w): w for w in native.parameters()}.values())
        row.logits = foretold(bench, row, native)
    for _ in range(bench.runs):
        for row in rows:
            row.add(*row.way(bench, native, bench.tokens))
    return rows


def rows_of(load: str) -> list[Row]:
    """The ways of running weights that are loaded like this."""
    if load == "8bit":
        return [Row("transformers generate, load_in_8bit", load, theirs)]
    plain = [Row("transformers generate, bf16", load, theirs)] if load == "bf16" else []
    return [*plain, Row(f"ernie, {load}", load, ours)]


# ------------------------------------------------------------------------------------------------ the table

COLUMNS = (
    *("row", "weights GB", "tokens/s", "x generate", "GB a token", "GB/s", "of the floor"),
    *("peak GB", "prefill tokens/s", "prefill x generate", "logits off"),
)
ABSOLUTE = ("tokens/s", "GB/s", "prefill tokens/s")  # not from a CPU


def line(bench: Bench, row: Row, base: Row | None, speed: float) -> dict[str, str]:
    """The cells of a row; ratios are speeds, so more is faster. `logits off`: the relative norm of the difference."""
    size = bytes_read(bench.config, row.load, bench.prompt + bench.tokens // 2)
    first, gap = row.seconds()
    cells = {
        "row": row.name,
        "weights GB": f"{row.weights / 1e9:.2f}",
        "tokens/s": f"{1 / gap:.1f}",
        "GB a token": f"{size / 1e9:.3f}",
        "GB/s": f"{size / gap / 1e9:.0f}",
        "of the floor": f"{size / gap / speed:.0%}",
        "peak GB": f"{row.peak / 1e9:.2f}",
        "prefill tokens/s": f"{bench.prompt / first:.0f}",
    }
    if base is None:
        return cells
    off = (row.logits - base.logits).norm() / base.logits.norm()
    ratios = base.seconds()[1] / gap, base.seconds()[0] / first
    more = {"x generate": f"{ratios[0]:.2f}", "prefill x generate": f"{ratios[1]:.2f}", "logits off": f"{off:.3f}"}
    return cells | more


def describe(bench: Bench, speed: float) -> str:
    """What the table was measured on, and with what."""
    text, small = bench.config.text_config, bench.device == "cpu"
    count = sum(int(np.prod(size)) for size in expected_tensors(bench.config).values())
    where = "one core of a CPU" if small else torch.cuda.get_device_name(bench.device)
    rate = "" if small else f"; a copy moves {speed / 1e9:.0f} GB/s"
    used = [name for name in ("torch", "transformers", "bitsandbytes", "triton") if find_spec(name)]
    return (
        f"{where}{rate}; {', '.join(f'{name} {version(name)}' for name in used)}.\n"
        f"Random weights, {count / 1e9:.2f} billion: {text.num_hidden_layers} layers (the 28B: 28), hidden"
        f" {text.hidden_size} (2560), {text.moe_num_experts} experts of each kind (64).\n"
        f"Prompt {bench.prompt} tokens, then {bench.tokens}; {bench.runs} runs after a warm-up; medians.\n"
    )


def run(bench: Bench, loads: Sequence[str]) -> None:
    """Prints the table row by row, so that a run that is cut off has shown something."""
    speed, base = bandwidth(bench), None
    names = [name for name in COLUMNS if bench.device != "cpu" or name not in ABSOLUTE]
    print(describe(bench, speed))
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    for load in loads:
        try:
            rows = measure(bench, load)
            base = rows[0] if load == "bf16" else base
            table = [line(bench, row, base, speed) for row in rows]
        except Exception as broken:  # the other rows are worth having, and a GPU's time is dear
            traceback.print_exc()
            said = (str(broken).splitlines() or [type(broken).__name__])[0].replace("|", "/")
            why = "does not fit" if isinstance(broken, torch.OutOfMemoryError) else f"fails: {said}"
            table = [{"row": row.name, names[1]: why} for row in rows_of(load)]
        for cells in table:
            print(f"| {' | '.join(cells.get(name, '-') for name in names)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    small = "cpu" in parser.parse_known_args()[0].device
    parser.add_argument("--hidden", type=int, default=1280 if small else 2560, help="a multiple of 256")
    parser.add_argument("--layers", type=int, default=4 if small else 28)
    parser.add_argument("--experts", type=int, default=16 if small else 64, help="of each modality")
    parser.add_argument("--vocabulary", type=int, default=8192 if small else 103_424)
    parser.add_argument("--prompt", type=int, default=256 if small else 2048, help="tokens")
    parser.add_argument("--tokens", type=int, default=24 if small else 128, help="decoded in each run")
    parser.add_argument("--runs", type=int, default=2 if small else 3)
    parser.add_argument("--rows", nargs="+", choices=LOADS, default=LOADS, help="ratios need bf16")
    asked = parser.parse_args()
    if small:
        torch.set_num_threads(1)
    config = shape(asked.hidden, asked.layers, asked.experts, asked.vocabulary)
    run(Bench(config, asked.device, asked.prompt, asked.tokens, asked.runs), asked.rows)


if __name__ == "__main__":
    main()
