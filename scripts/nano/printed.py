"""Which letters lie on every token of a page, and which of its text they are, asked of the tokens while training.

A token is as high as two lines of small print. Of each half, linear heads ask right behind the eyes for its letters, in
their order: the first, the second, and so on. A few layers into the decoder, where a token can know what came before
it, they ask which line of the page this is, and which of the line's characters the first one is. No head is part of the
checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from data import Letter
from heads import IGNORED, cell, mistakes, scaled, wrong
from torch import Tensor, nn

CHARACTERS = " " + "".join(map(chr, range(33, 127))) + "•"
HALVES, SLOTS = 2, 6  # of a token: hardly a line is lower than 14 pixels, hardly six letters are narrower than 28
LINES, COLUMNS = 16, 48  # of a page, at most
BLANK = 0.1  # how much a slot without a letter counts: most are
EYES = 10  # how much more letters count: what the eyes learn of them is drowned by other jobs else


@dataclass(frozen=True)
class Printed:
    """What every token of a batch of pages shows.

    `letters` (pages, tokens, halves * slots): 1 and more for a character, 0 for none; a blank or a gap lies just before
    the letter that follows it. `lines` and `firsts` (pages, tokens, halves): the line that lies there, and the column
    of its first character that does; `IGNORED` where nothing is printed. `at` is where a page's characters lie, by line
    and column: token, half and slot.
    """

    letters: Tensor
    lines: Tensor
    firsts: Tensor
    at: list[dict[tuple[int, int], tuple[int, int, int]]]


def show(pages: Sequence[Sequence[Letter]], height: int, width: int) -> Printed:
    """What is known of pages that are `height` x `width` tokens large."""
    slots = torch.zeros(len(pages), height * width, HALVES, SLOTS, dtype=torch.long)
    lines = torch.full((len(pages), height * width, HALVES), IGNORED)
    firsts = lines.clone()
    at: list[dict[tuple[int, int], tuple[int, int, int]]] = [{} for _ in pages]
    for page, letters in enumerate(pages):
        for letter, blank in _with_blanks(letters):
            row, half = divmod(cell(letter.y, height * HALVES), HALVES)
            token = row * width + cell(letter.x, width)
            place = page, token, half
            if lines[place] != letter.line:
                lines[place], firsts[place] = letter.line, letter.column - blank
            for column, character in ((letter.column - 1, " "), (letter.column, letter.character))[not blank :]:
                slot = column - int(firsts[place])
                if slot < SLOTS:
                    slots[(*place, slot)] = CHARACTERS.find(character) + 1
                    at[page][letter.line, column] = token, half, slot
    return Printed(slots.flatten(2), lines.clamp(max=LINES - 1), firsts.clamp(max=COLUMNS - 1), at)


def _with_blanks(letters: Sequence[Letter]) -> list[tuple[Letter, bool]]:
    """Letters, and whether there is a blank before each."""
    known = {(letter.line, letter.column) for letter in letters}
    return [(one, one.column > 0 and (one.line, one.column - 1) not in known) for one in letters]


class PrintHeads(nn.Module):
    """Linear readers of token states (pages, tokens, hidden), and of those of words that are about to say a letter."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.letters = nn.Linear(hidden, HALVES * SLOTS * (len(CHARACTERS) + 1))
        self.places = nn.Linear(hidden, HALVES * (LINES + COLUMNS))
        self.words = nn.Linear(hidden, LINES + COLUMNS)

    def losses(self, seen: Tensor | None, state: Tensor, printed: Printed) -> Tensor:
        """What the heads get wrong about a batch, each on average; without `seen` no letters are asked."""
        places = self.places(scaled(state)).float()
        lines, firsts = places.split([HALVES * LINES, HALVES * COLUMNS], -1)
        off = mistakes(lines, printed.lines) + mistakes(firsts, printed.firsts)
        if seen is None:
            return off
        read = self.letters(scaled(seen)).float().view(-1, len(CHARACTERS) + 1)
        weights = torch.ones(len(CHARACTERS) + 1, device=seen.device)
        weights[0] = BLANK
        return off + EYES * wrong(read, printed.letters.flatten(), weights)

    def misplaced(self, words: Tensor, lines: Tensor, columns: Tensor) -> Tensor:
        """How far off words (words, hidden) are about the line and the column of what they say, (words,) each."""
        line, column = self.words(scaled(words)).float().split([LINES, COLUMNS], -1)
        return wrong(line, lines.clamp(max=LINES - 1)) + wrong(column, columns.clamp(max=COLUMNS - 1))
