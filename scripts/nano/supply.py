"""Batches as they are drawn: by the training itself, between its steps, or by other processes while it learns.

On a CPU, drawing takes little of a step's time. A GPU would wait for it: there, `workers` draw ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from batches import Batch, collate
from curriculum import MIX, Curriculum
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ernie_cli.runtime.tokenizer import Tokenizer

AHEAD = 4  # batches that each worker keeps ready

Drawn: TypeAlias = tuple[str, Batch]  # a job and a batch of it
MakeCurriculum: TypeAlias = Callable[[int], Curriculum]  # of a worker, by its number


class Supply:
    """Endless batches of the jobs of a curriculum, as hard as what has been learned by the time they are drawn."""

    def __init__(
        self, make: MakeCurriculum, tokenizer: Tokenizer, learned: Mapping[str, int], workers: int = 0
    ) -> None:
        batches = _Batches(make, tokenizer)
        self._counts = batches.counts
        self.tell(learned)
        # The batches are made whole where they are drawn: there is nothing left to put together.
        self._batches: Iterator[Drawn] = (
            iter(DataLoader(batches, None, num_workers=workers, prefetch_factor=AHEAD, collate_fn=_as_it_is))
            if workers
            else iter(batches)
        )

    def tell(self, learned: Mapping[str, int]) -> None:
        """How many pictures of each job have been learned."""
        for number, job in enumerate(MIX):
            self._counts[number] = learned.get(job, 0)

    def draw(self) -> Drawn:
        return next(self._batches)


class _Batches(IterableDataset[Drawn]):
    def __init__(self, make: MakeCurriculum, tokenizer: Tokenizer) -> None:
        self._make, self._tokenizer = make, tokenizer
        self.counts = torch.zeros(len(MIX), dtype=torch.long).share_memory_()  # one memory for all processes

    def __iter__(self) -> Iterator[Drawn]:
        worker = get_worker_info()
        curriculum = self._make(worker.id if worker else 0)
        while True:
            learned = Counter(dict(zip(MIX, self.counts.tolist(), strict=True)))
            job, samples, budgets = curriculum.draw(learned)
            yield job, collate(samples, self._tokenizer, budgets)


def _as_it_is(drawn: Drawn) -> Drawn:
    return drawn
