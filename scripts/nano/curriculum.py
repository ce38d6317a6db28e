"""What nano is shown when: which job, how many things in a picture, and at which size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from data import Sample
from data.ask import easy_sample, scene_sample
from data.ground import ground_sample

from ernie_cli.runtime.vision import FACTOR, PixelBudget

PICTURES = PixelBudget(112 * 112, 224 * 224)
FRAMES = PixelBudget(84 * 84, 112 * 112)
# Seeing is what takes long, so a batch has many pictures with one question each rather than few with several.
QUESTIONS = 1
ROWS = 64
# `talk` is `ask` the other way round: few pictures with many questions, to learn to look up what the thought has said.
MIX = {"easy-vqa": 0.05, "ask": 0.15, "talk": 0.15, "ground": 0.65}
MODES = (0.84, 0.1, 0.06)


class Curriculum:
    """Batches in which all media come out at one size; scenes grow from one thing to eight as pictures are learned."""

    def __init__(self, random: Random, jobs: Sequence[str] = tuple(MIX)) -> None:
        self.random = random
        self.mix = {job: MIX[job] for job in jobs}

    def draw(self, pictures: int) -> tuple[str, list[Sample], tuple[PixelBudget, PixelBudget]]:
        """The next batch's job, samples and pixel budgets, after `pictures` have been learned."""
        job, samples, budgets = self._draw(pictures)
        return job, [self._with_modes(sample) for sample in samples], budgets

    def _with_modes(self, sample: Sample) -> Sample:
        """Some questions without a thought, and some with one that is closed on its way."""
        modes = self.random.choices(["open", "closed", "cut"], MODES, k=len(sample.questions))
        return replace(
            sample, questions=[replace(q, mode=mode) for q, mode in zip(sample.questions, modes, strict=True)]
        )

    def _draw(self, pictures: int) -> tuple[str, list[Sample], tuple[PixelBudget, PixelBudget]]:
        random = self.random
        job = random.choices(list(self.mix), list(self.mix.values()))[0]
        if job == "easy-vqa":
            return job, [easy_sample(random, QUESTIONS) for _ in range(ROWS)], (PICTURES, FRAMES)
        most = 1 if pictures < 8_000 else 2 if pictures < 25_000 else 4 if pictures < 200_000 else 8
        longest = 4 if pictures < 20_000 else 6 if random.random() < 0.4 else 9
        if job == "talk":
            width, height = self._size(min(longest, 6))
            samples = [scene_sample(random, width, height, most, 6 * QUESTIONS) for _ in range(ROWS // 3)]
            return job, samples, (PICTURES, FRAMES)
        most = random.choice([1, 2, most])
        width, height = self._size(longest)
        if job == "ask":
            samples = [scene_sample(random, width, height, most, QUESTIONS) for _ in range(ROWS)]
        else:
            samples = [ground_sample(random, width, height, min(most, 4), QUESTIONS) for _ in range(ROWS)]
        return job, samples, (PICTURES, FRAMES)

    def _size(self, longest: int) -> tuple[int, int]:
        """A width and height in pixels, whole tokens of 28 a side, within the budget of a picture."""
        while True:
            width, height = (self.random.randint(4, longest) * FACTOR for _ in range(2))
            if width * height <= PICTURES.most:
                return width, height
