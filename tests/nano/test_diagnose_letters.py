"""What is told of the letters that are read."""

from __future__ import annotations

import pytest
import torch
from data import Letter
from diagnose_letters import _widths, shares
from printed import CHARACTERS, show


def test_shares_are_of_what_is_printed() -> None:
    printed = torch.tensor([CHARACTERS.index(one) + 1 for one in "aB7!a"] + [0, 0])
    read = printed.clone()
    read[4] = 0  # an "a" that is not seen
    read[5] = 3  # and something where nothing is
    wide = torch.tensor([0.5, 0.5, 0.9, 0, 0.9, 0, 0])  # the mark stands alone
    assert shares(read, printed, wide) == {
        "all characters": (0.8, 5),
        "digits": (1.0, 1),
        "small letters": (0.5, 2),
        "capitals": (1.0, 1),
        "other characters": (1.0, 1),
        "nothing": (0.5, 2),
        "0.4 to 0.6 patches wide": (1.0, 2),
        "0.8 to 1 patches wide": (0.5, 2),
    }


def test_widths_are_distances_in_patches() -> None:
    letters = [
        Letter(one, x, 0.1, 0, column) for column, (one, x) in enumerate(zip("abc", (0.1, 0.2, 0.4), strict=True))
    ]
    letters.append(Letter("d", 0.9, 0.9, 1, 0))  # alone
    printed = show([letters], 2, 2)
    wide = _widths(letters, printed, 4)
    assert wide[printed.letters.flatten() == CHARACTERS.index("d") + 1].item() == 0
    told = [wide[printed.letters.flatten() == CHARACTERS.index(one) + 1].item() for one in "abc"]
    assert told == pytest.approx([0.4, 0.8, 0.8])
