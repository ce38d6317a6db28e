"""What is told of the letters that are read."""

from __future__ import annotations

import torch
from diagnose_letters import shares
from printed import CHARACTERS


def test_shares_are_of_what_is_printed() -> None:
    printed = torch.tensor([CHARACTERS.index(one) + 1 for one in "aB7!a"] + [0, 0])
    read = printed.clone()
    read[4] = 0  # an "a" that is not seen
    read[5] = 3  # and something where nothing is
    assert shares(read, printed) == {
        "all characters": (0.8, 5),
        "digits": (1.0, 1),
        "small letters": (0.5, 2),
        "capitals": (1.0, 1),
        "other characters": (1.0, 1),
        "nothing": (0.5, 2),
    }
