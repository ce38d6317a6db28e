"""Samples as tensors: one medium a row, its questions packed behind it, each seeing the medium but not the others.

That packing is exact (positions and mask are those of each question asked alone) and saves encoding the picture again
for every question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from data import Question, Sample
from torch import Tensor

from ernie_cli.messages import Picture, user
from ernie_cli.runtime.positions import positions
from ernie_cli.runtime.prompt import END_OF_TURN, END_THINK, IMAGE_PATCH, Slot, render
from ernie_cli.runtime.tokenizer import Literal, Markup, Tokenizer
from ernie_cli.runtime.vision import Patches, PixelBudget, patchify_picture, patchify_video


@dataclass(frozen=True)
class Batch:
    """`ids`, `targets` (-100: not learned) are (rows, tokens); `vision` is where the media's tokens stand in each row."""

    pixels: Tensor
    grid: tuple[int, int, int]
    ids: Tensor
    targets: Tensor
    positions: Tensor
    mask: Tensor
    vision: slice


@dataclass
class _Row:
    ids: list[int]
    targets: list[int]
    positions: np.ndarray
    branch: list[int]  # 0 for what all questions share, else the question's number


def prefix(sample: Sample, tokenizer: Tokenizer, patches: Patches) -> tuple[list[int], np.ndarray, int, slice]:
    """Ids and positions up to and with the medium's end token, the next position, and the slice of vision tokens."""
    assert sample.medium is not None
    pieces = render([user(sample.medium)])
    slot = next(index for index, piece in enumerate(pieces) if isinstance(piece, Slot))
    before = tokenizer.encode([p for p in pieces[:slot] if not isinstance(p, Slot)])
    end = pieces[slot + 1]
    assert isinstance(end, Markup)
    ids = [*before, *[tokenizer.id(IMAGE_PATCH)] * patches.tokens, tokenizer.id(end.text)]
    where, following = positions([len(before), patches.merged_grid, 1])
    # The start and end tokens go to the vision experts as well.
    return ids, where, following, slice(len(before) - 1, len(ids))


def branch(question: Question, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids of a question, its thought and its answer; and how many of them are prompt."""
    prompt = tokenizer.encode([Literal(question.text), Markup("\nAssistant: \n<think>\n")])
    reply = tokenizer.encode(
        [Literal(question.thought), Markup(f"\n{END_THINK}\n\n"), Literal(question.answer), Markup(END_OF_TURN)]
    )
    return prompt + reply, [len(prompt)]


def collate(samples: list[Sample], tokenizer: Tokenizer, picture: PixelBudget, frame: PixelBudget) -> Batch:
    """A batch of samples whose media come out at one size."""
    media = [
        patchify_picture(s.medium.image, picture) if isinstance(s.medium, Picture) else patchify_video(s.medium.frames, frame)  # type: ignore[union-attr]
        for s in samples
    ]
    rows = []
    for sample, patches in zip(samples, media, strict=True):
        ids, where, following, vision = prefix(sample, tokenizer, patches)
        row = _Row(list(ids), [-100] * len(ids), where, [0] * len(ids))
        for number, question in enumerate(sample.questions, start=1):
            said, (asked,) = branch(question, tokenizer)
            row.ids += said
            # The token at place i is asked to foretell the one at i + 1.
            row.targets += [-100] * (asked - 1) + said[asked:] + [-100]
            row.branch += [number] * len(said)
            row.positions = np.concatenate([row.positions, positions([len(said)], following)[0]], axis=1)
        rows.append(row)
    return _pad(rows, torch.from_numpy(np.stack([p.pixels for p in media])), media[0].grid, vision)


def _pad(rows: list[_Row], pixels: Tensor, grid: tuple[int, int, int], vision: slice) -> Batch:
    length = -(-max(len(row.ids) for row in rows) // 64) * 64
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), -100)
    places = torch.zeros(3, len(rows), length, dtype=torch.long)
    branches = torch.full((len(rows), length), -1)
    for index, row in enumerate(rows):
        size = len(row.ids)
        ids[index, :size] = torch.tensor(row.ids)
        targets[index, :size] = torch.tensor(row.targets)
        places[:, index, :size] = torch.from_numpy(row.positions)
        branches[index, :size] = torch.tensor(row.branch)
    same = branches[:, :, None] == branches[:, None, :]
    shared = branches[:, None, :] == 0
    mask = (same | shared) & torch.ones(length, length, dtype=torch.bool).tril()
    return Batch(pixels, grid, ids, targets, places, mask[:, None], vision)
