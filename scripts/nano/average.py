"""The mean of several files of weights: `python scripts/nano/average.py OUT.safetensors ONE.safetensors OTHER...`.

Trainings that went on from one checkpoint end near each other, each with errors of its own; the mean of their weights
has fewer than any of them (Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482). Both a checkpoint's
`model.safetensors` and the `heads.safetensors` beside the scripts can be averaged. What a file tells of itself is taken
from the last one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def average(out: Path, files: Sequence[Path]) -> None:
    """Writes the mean of all tensors, each in its own precision. Raises ValueError if the files hold not the same."""
    parts = [load_file(file) for file in files]
    shapes = [{name: tensor.shape for name, tensor in part.items()} for part in parts]
    if other := next((file for file, has in zip(files, shapes, strict=True) if has != shapes[0]), None):
        raise ValueError(f"{other} holds other weights than {files[0]}.")
    with safe_open(files[-1], "pt") as file:
        told = file.metadata()
    mean = {
        name: torch.stack([part[name].float() for part in parts]).mean(dim=0).to(last.dtype)
        for name, last in parts[-1].items()
    }
    save_file(mean, out, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    average(options.out, options.files)


if __name__ == "__main__":
    sys.exit(main())
