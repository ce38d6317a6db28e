"""What nano is shown when: which job, how many things in a picture, and at which size."""

from __future__ import annotations

from random import Random

from data import Sample
from data.ask import easy_sample, scene_sample

from ernie_cli.runtime.vision import FACTOR, PixelBudget

PICTURES = PixelBudget(112 * 112, 448 * 448)
FRAMES = PixelBudget(84 * 84, 112 * 112)
QUESTIONS = 6
ROWS = 32


class Curriculum:
    """Batches in which all media come out at one size; scenes grow from one thing to eight as pictures are learned."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def draw(self, pictures: int) -> tuple[str, list[Sample], tuple[PixelBudget, PixelBudget]]:
        """The next batch's job, samples and pixel budgets, after `pictures` have been learned."""
        random = self.random
        if random.random() < (0.3 if pictures < 60_000 else 0.15):
            return "easy-vqa", [easy_sample(random, QUESTIONS) for _ in range(ROWS)], (PICTURES, FRAMES)
        most = 1 if pictures < 8_000 else 2 if pictures < 20_000 else 4 if pictures < 60_000 else 8
        width, height = (random.randint(4, 4 if pictures < 20_000 else 6) * FACTOR for _ in range(2))
        samples = [scene_sample(random, width, height, most, QUESTIONS) for _ in range(ROWS)]
        return "ask", samples, (PICTURES, FRAMES)
