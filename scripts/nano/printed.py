"""Which letters lie on every token of a page, and which of its text they are, asked of the tokens while training.

A token is four patches, two side by side and two below, and each is about as high as a line of small print. Linear
heads ask the tower which letter stands where on each patch; and, right behind the eyes, a token for the letters of each
of its patches in their order: the first, the second, the third. (Those of two patches side by side, in one order, it
learned much more slowly: that means to count further.) Of charts both are asked where on each patch a bar ends or a
point lies: an axis is read to less than a patch; and tokens for what the decoder is asked as well. A few layers into
the decoder, where a token can know what came before it, heads ask which line of the page lies on each patch, which of
the line's characters the first one there is, and which two come before that: what comes next is found by what was said
last, where a line is too long to count. Of a chart they ask for the places that thoughts say, by their digits, so that
saying them is copying. No head is part of the checkpoint.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from data import Letter
from data.axis import DIGITS, digit_at, place_of
from data.chart_print import CATEGORIES, VALUES
from data.texts import PRINTED
from heads import IGNORED, cell, mistakes, scaled, split
from torch import Tensor, nn

CHARACTERS = " " + PRINTED
SIDES = 2  # patches of a token beside each other, and as many below each other
PATCHES = SIDES * SIDES
SLOTS = 3  # letters of a patch: hardly ever more are narrower than 14 pixels
PARTS = 3  # of a patch, side by side: hardly a letter is narrower
FINE = 5  # of a patch, across and down: where in it lies what is told
TOLD = 6  # how much more it counts: a handful of tokens have one
# Of a page; of a line; of a line; of a word. What is beyond counts as the last.
LINES, COLUMNS, WORDS, LETTERS = 18, 48, 10, 12
ROWS, IN_ROW = 12, 4  # of what is loose, how high it is and which of its characters it is are told as a column
assert ROWS * IN_ROW == COLUMNS
BEFORE = 2  # characters that come before one in its line
KINDS = len(CHARACTERS) + 1  # of what may stand somewhere: a character, or nothing
# What is known of where one stands, as in `Place`, and among how many.
PLACE = {"line": LINES, "column": COLUMNS, "word": WORDS, "letter": LETTERS, "before": BEFORE * KINDS}
NUMBERS = len(PLACE) - 1 + BEFORE  # that say it
BLANK = 0.1  # how much a slot without a letter counts: most are
PLACED = 5  # how much more it counts where on the page a token is: what it does not know, no word can look for
NAMED = 5  # how much more it counts which category of a chart it is: the fifth and sixth are rare, and hard to count to
AROUND = 0.3  # how much it counts for the eyes where in its text a character stands: which it is comes first
EYES = 10  # how much more letters count: what the eyes learn of them is drowned by other jobs else


@dataclass(frozen=True)
class Place:
    """Where characters stand, (...,) each: the line, the column in it, the number of the word and the letter's in that.

    `before` (..., characters) is what comes before them in their lines, as in `Printed.letters`, the last one first.
    """

    line: Tensor
    column: Tensor
    word: Tensor
    letter: Tensor
    before: Tensor

    @classmethod
    def of(cls, known: Tensor) -> Place:
        """Of (..., numbers), as `Printed.where` gives them."""
        return cls(*known[..., :-BEFORE].unbind(-1), known[..., -BEFORE:])

    def __getitem__(self, what: str) -> Tensor:
        """What of it is called so in `PLACE`."""
        known: Tensor = getattr(self, what)
        return known


@dataclass(frozen=True)
class Printed:
    """What every token of a batch of pages shows, or of charts.

    `letters` (pages, tokens, patches of a token * slots): 1 and more for a character, 0 for none; a blank or a gap lies
    just before the letter that follows it. `marks` (pages, patches, parts): the same of parts of patches, without
    blanks. `told` (pages, tokens, patches of a token, 2): where on a patch, across and down, a place lies that is told
    of a letter, 1 and more, 0 for none. `digits` (pages, tokens, 2 * `DIGITS`): the place that is told of a letter on a
    token, across and down, as thoughts say it, `IGNORED` where there is none. `first` (pages, tokens, patches of a
    token) is the place of the first character that lies there, `IGNORED` where nothing is printed. `at` is where a
    page's characters lie, by line and column: token, patch and slot, and `said` which they are, as in `letters`; of
    what is not drawn, the first `SLOTS`. `loose` are the lines that are found by where they begin, x and y in fractions
    of the page. `gaps` are the columns of the blanks of others, by line.
    """

    letters: Tensor
    marks: Tensor
    told: Tensor
    digits: Tensor
    first: Place
    at: list[dict[tuple[int, int], tuple[int, int, int]]]
    said: list[dict[tuple[int, int], int]]
    loose: list[dict[int, tuple[float, float]]]
    gaps: list[dict[int, list[int]]]

    def where(self, page: int, line: int, column: int) -> list[int]:
        """What is known of where a character of a page stands, in the order of `Place`.

        Of one that is loose its line is that of all values, its column tells how high it is, and its word where across.
        """
        column = max(column, 0)  # the digits of a place are where its line begins
        before = [self.said[page].get((line, column - back), 0) for back in range(1, BEFORE + 1)]
        if line in self.loose[page]:
            x, y = self.loose[page][line]
            return [
                VALUES,
                cell(y, ROWS) * IN_ROW + min(column, IN_ROW - 1),
                cell(x, WORDS),
                min(column, LETTERS - 1),
                *before,
            ]
        gaps = self.gaps[page].get(line, [])
        word = bisect_left(gaps, column)
        letter = column - gaps[word - 1] - 1 if word else column
        counted = zip((line, column, word, letter), (LINES, COLUMNS, WORDS, LETTERS), strict=True)
        return [*(min(number, most - 1) for number, most in counted), *before]


def show(pages: Sequence[Sequence[Letter]], height: int, width: int) -> Printed:
    """What is known of pages that are `height` x `width` tokens large."""
    slots = torch.zeros(len(pages), height * width, PATCHES, SLOTS, dtype=torch.long)
    lines = torch.full((len(pages), height * width, PATCHES), IGNORED)
    firsts = lines.clone()
    at: list[dict[tuple[int, int], tuple[int, int, int]]] = [{} for _ in pages]
    gaps: list[dict[int, list[int]]] = [{} for _ in pages]
    said: list[dict[tuple[int, int], int]] = [{} for _ in pages]
    loose: list[dict[int, tuple[float, float]]] = [{} for _ in pages]
    for page, letters in enumerate(pages):
        for letter, blank in _with_blanks(letters):
            if letter.loose:
                loose[page].setdefault(letter.line, (letter.x, letter.y))
            if blank:
                gaps[page].setdefault(letter.line, []).append(letter.column - 1)
            row, down = divmod(cell(letter.y, height * SIDES), SIDES)
            column, across = divmod(cell(letter.x, width * SIDES), SIDES)
            token, patch = row * width + column, down * SIDES + across
            place = page, token, patch
            if letter.told:
                # Each digit of its place is read with a head of its own: with one for all, they would not fit in it.
                for digit in range(2 * DIGITS):
                    slot = digit % SLOTS
                    at[page].setdefault((letter.line, digit_at(digit)), (token, SIDES * (digit // SLOTS) + 1, slot))
            if lines[place] != letter.line:
                if not letter.drawn and lines[place] != IGNORED:
                    continue  # there is something already, which is to be found
                lines[place], firsts[place] = letter.line, letter.column - blank
            for number, character in ((letter.column - 1, " "), (letter.column, letter.character))[not blank :]:
                slot = number - int(firsts[place])
                if slot < SLOTS:
                    said[page][letter.line, number] = CHARACTERS.find(character) + 1
                    if letter.drawn:
                        slots[place][slot] = said[page][letter.line, number]
                    at[page][letter.line, number] = token, patch, slot
    marks = torch.stack([_marks(letters, height, width) for letters in pages])
    told = torch.stack([_told(letters, height, width) for letters in pages])
    digits = torch.stack([_digits(letters, height, width) for letters in pages])
    first = torch.full((*lines.shape, NUMBERS), IGNORED)
    printed = Printed(
        slots.flatten(2), marks, told, digits, Place.of(first), at, said, loose, [_sorted(its) for its in gaps]
    )
    for page, token, patch in (lines != IGNORED).nonzero().tolist():
        place = page, token, patch
        first[place] = torch.tensor(printed.where(page, int(lines[place]), int(firsts[place])))
    return printed


def _sorted(gaps: dict[int, list[int]]) -> dict[int, list[int]]:
    return {line: sorted(columns) for line, columns in gaps.items()}


def _marks(letters: Sequence[Letter], height: int, width: int) -> Tensor:
    """Which character lies on each part of the patches of a page of so many tokens, (patches, parts).

    Patches are in the order that the eyes get them in: the four of a token one after the other.
    """
    marks = torch.zeros(height * SIDES, width * SIDES, PARTS, dtype=torch.long)
    for letter in letters:
        if not letter.drawn:
            continue
        patch, part = divmod(cell(letter.x, width * SIDES * PARTS), PARTS)
        marks[cell(letter.y, height * SIDES), patch, part] = CHARACTERS.find(letter.character) + 1
    return marks.view(height, SIDES, width, SIDES, PARTS).transpose(1, 2).reshape(-1, PARTS)


def _told(letters: Sequence[Letter], height: int, width: int) -> Tensor:
    """Where on the patches of a page of so many tokens places lie that are told of letters, (tokens, patches, 2)."""
    told = torch.zeros(height * SIDES, width * SIDES, 2, dtype=torch.long)
    for letter in letters:
        if letter.told:
            x, y = letter.told
            (patch, across), (row, down) = (
                divmod(cell(place, count * SIDES * FINE), FINE) for place, count in ((x, width), (y, height))
            )
            told[row, patch] = torch.tensor([across, down]) + 1
    return told.view(height, SIDES, width, SIDES, 2).transpose(1, 2).reshape(-1, PATCHES, 2)


def _digits(letters: Sequence[Letter], height: int, width: int) -> Tensor:
    """The digits of the place that is told of a letter, by the token on which it lies, (tokens, 2 * digits)."""
    digits = torch.full((height * width, 2 * DIGITS), IGNORED)
    for letter in letters:
        token = cell(letter.y, height) * width + cell(letter.x, width)
        if letter.told and digits[token, 0] == IGNORED:
            said = "".join(f"{along:0{DIGITS}}" for along in place_of(letter.told, (width, height)))
            digits[token] = torch.tensor([int(digit) for digit in said])
    return digits


def _with_blanks(letters: Sequence[Letter]) -> list[tuple[Letter, bool]]:
    """Letters, and whether there is a blank before each."""
    known = {(letter.line, letter.column) for letter in letters}
    return [(one, one.column > 0 and (one.line, one.column - 1) not in known) for one in letters]


class PrintHeads(nn.Module):
    """Linear readers of token states (pages, tokens, hidden), of what the tower makes of patches (pages, patches,
    width), and of the states of words that are about to say a letter."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.marks = nn.Linear(width, PARTS * KINDS)
        self.ends = nn.Linear(width, 2 * (FINE + 1))
        self.told = nn.Linear(hidden, PATCHES * 2 * (FINE + 1))
        self.letters = nn.Linear(hidden, PATCHES * SLOTS * KINDS)
        self.places = nn.Linear(hidden, PATCHES * sum(PLACE.values()))
        self.words = nn.Linear(hidden, sum(PLACE.values()))
        self.digits = nn.Linear(hidden, 2 * DIGITS * 10)
        self.early = nn.Linear(hidden, PATCHES * sum(PLACE.values()))

    def losses(self, seen: Tensor | None, state: Tensor, printed: Printed, patches: Tensor | None = None) -> Tensor:
        """What the heads get wrong about a batch, each on average.

        Letters are asked of tokens that are `seen`, and marks of `patches`, if they are given.
        """
        places = self.of_tokens(state)
        counts = {"line": _counts_of_lines(state.device)} if (printed.digits != IGNORED).any() else {}
        off = torch.stack(
            [mistakes(places[what].flatten(-2), printed.first[what].flatten(2), counts.get(what)) for what in PLACE]
        ).sum()
        off = PLACED * off + TOLD * mistakes(self.digits(scaled(state)), printed.digits)
        if seen is not None:
            off = off + EYES * (self.wrong_letters(seen, printed) + self.wrong_places(seen, printed))
            off = off + EYES * self.misplaced_early(seen, printed)
        if patches is not None:
            off = off + EYES * (self.wrong_marks(patches, printed) + self.wrong_ends(patches, printed))
        return off

    def wrong_letters(self, seen: Tensor, printed: Printed) -> Tensor:
        """How far off tokens are, right behind the eyes, about the letters on them."""
        return _wrong(self.letters(scaled(seen)), printed.letters)

    def wrong_marks(self, patches: Tensor, printed: Printed) -> Tensor:
        """How far off patches are about what stands where on them."""
        return _wrong(self.marks(scaled(patches)), printed.marks)

    def wrong_places(self, seen: Tensor, printed: Printed) -> Tensor:
        """How far off tokens are about the places on them that are told."""
        return _wrong(self.told(scaled(seen)), printed.told.flatten(2))

    def wrong_ends(self, patches: Tensor, printed: Printed) -> Tensor:
        """How far off patches are about the places on them that are told."""
        return _wrong(self.ends(scaled(patches)), printed.told.flatten(1, 2))

    def misplaced_early(self, seen: Tensor, printed: Printed) -> Tensor:
        """How far off tokens of charts are, right behind the eyes, about where in its text the first character stands.

        Where print leans, what comes before lies below: the decoder's tokens, which see only what is above them, cannot
        know it. What is loose is not asked for: the eyes do not know where on the picture a token is.
        """
        said = split(self.early(scaled(seen)).unflatten(-1, (PATCHES, -1)), PLACE)
        charts = (printed.digits != IGNORED).any(-1).any(-1)
        asked = charts[:, None, None, None] & (printed.first.line != VALUES)[..., None]
        off = [
            mistakes(
                said[what].flatten(-2),
                torch.where(asked, printed.first[what].view(*asked.shape[:3], -1), IGNORED).flatten(2),
            )
            for what in PLACE
        ]
        return AROUND * torch.stack(off).mean()

    def read(self, seen: Tensor) -> Tensor:
        """The letters on tokens, as in `Printed.letters`."""
        return self.letters(scaled(seen)).unflatten(-1, (-1, KINDS)).argmax(-1)

    def of_tokens(self, state: Tensor) -> dict[str, Tensor]:
        """What tokens tell of the first character on each of their patches, (pages, tokens, patches, choices)."""
        return split(self.places(scaled(state)).unflatten(-1, (PATCHES, -1)), PLACE)

    def of_words(self, words: Tensor) -> dict[str, Tensor]:
        """What words (words, hidden) tell of the character that they are about to say, (words, choices)."""
        return split(self.words(scaled(words)), PLACE)

    def tells(self, state: Tensor) -> Tensor:
        """The digits of the places that tokens tell, as in `Printed.digits`."""
        return self.digits(scaled(state)).unflatten(-1, (-1, 10)).argmax(-1)

    def misplaced(self, words: Tensor, wanted: Place) -> Tensor:
        """How far off words (words, hidden) are about where what they are about to say stands."""
        said = self.of_words(words)
        return torch.stack([mistakes(said[what], wanted[what].view(len(words), -1)) for what in PLACE]).sum()


def _counts_of_lines(device: torch.device) -> Tensor:
    """How much each line of a chart counts."""
    counts = torch.ones(LINES, device=device)
    counts[CATEGORIES:VALUES] = NAMED
    return counts


def _wrong(logits: Tensor, shown: Tensor) -> Tensor:
    """How far off choices are of which the first is that there is nothing."""
    weights = torch.ones(logits.shape[-1] // shown.shape[-1], device=logits.device)
    weights[0] = BLANK
    return mistakes(logits, shown, weights)
