"""What every token of a page is asked while training: its letters in their order, its line and its first column."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from data import Letter
from data.chart_print import CATEGORIES, VALUES
from data.doc import doc_sample
from data.fonts import Block, draw_style, print_page
from data.pages import full_page
from heads import IGNORED
from printed import CHARACTERS, EYES, IN_ROW, LETTERS, PARTS, PATCHES, ROWS, SLOTS, PrintHeads, show


def test_letters_are_asked_in_their_order_with_the_blanks_before_them() -> None:
    # On the lower patches of the two tokens of the second row: two on a left one, two on a right one.
    letters = [
        Letter(c, x, 0.8, 3, column) for c, x, column in zip("pe4a", (0.1, 0.2, 0.8, 0.9), (0, 1, 3, 4), strict=True)
    ]
    printed = show([letters], 2, 2)
    slots = printed.letters.view(1, 4, PATCHES, SLOTS)
    told = {
        (token, patch): "".join(CHARACTERS[one - 1] for one in slots[0, token, patch] if one)
        for token in range(4)
        for patch in range(PATCHES)
    }
    assert {place: text for place, text in told.items() if text} == {(2, 2): "pe", (3, 3): " 4a"}
    assert printed.first.line[0, 2:].tolist() == [[IGNORED, IGNORED, 3, IGNORED], [IGNORED, IGNORED, IGNORED, 3]]
    assert printed.first.column[0, 2:].tolist() == [[IGNORED, IGNORED, 0, IGNORED], [IGNORED, IGNORED, IGNORED, 2]]
    assert printed.at == [
        {(3, 0): (2, 2, 0), (3, 1): (2, 2, 1), (3, 2): (3, 3, 0), (3, 3): (3, 3, 1), (3, 4): (3, 3, 2)}
    ]


def test_what_is_not_drawn_is_asked_of_the_decoder_alone() -> None:
    letters = [Letter("7", 0.8, 0.2, 15), *(Letter(c, 0.3, 0.3, 9, at, drawn=False) for at, c in enumerate("42"))]
    printed = show([letters], 2, 2)
    drawn = show([letters[:1]], 2, 2)
    assert torch.equal(printed.letters, drawn.letters)
    assert torch.equal(printed.marks, drawn.marks)
    assert printed.at == [{(15, 0): (1, 1, 0), (9, 0): (0, 3, 0), (9, 1): (0, 3, 1)}]
    assert printed.first.line[0, 0].tolist() == [IGNORED, IGNORED, IGNORED, 9]
    assert printed.where(0, 9, 1)[-2:] == [CHARACTERS.index("4") + 1, 0]
    # Where something is printed, or stands already, nothing else can be looked for.
    crowded = [Letter("7", 0.3, 0.3, 15), *letters[1:], Letter("1", 0.8, 0.8, 10, drawn=False)]
    crowded.append(Letter("2", 0.9, 0.9, 11, drawn=False))
    assert show([crowded], 2, 2).at == [{(15, 0): (0, 3, 0), (10, 0): (3, 3, 0)}]


def test_marks_lie_on_the_part_of_the_patch_that_they_stand_on() -> None:
    # The second of two tokens: its lower left patch, a little to the left; then the last part of its last patch.
    printed = show([[Letter("a", 0.55, 0.9), Letter("b", 0.99, 0.6)]], 1, 2)
    assert printed.marks.shape == (1, 8, PARTS)
    found = {tuple(at): CHARACTERS[printed.marks[tuple(at)] - 1] for at in printed.marks.nonzero().tolist()}
    assert found == {(0, 6, 0): "a", (0, 7, 2): "b"}


def test_places_that_are_told_lie_on_their_patch_in_fifths() -> None:
    letters = [Letter("4", 0.1, 0.1, told=(0.3, 0.6)), Letter("2", 0.9, 0.9)]
    told = show([letters], 2, 3).told
    assert told.shape == (1, 6, 4, 2)
    # Of 6 x 4 patches: 1.8 patches from the left, the second one, and 2.4 from above, the third one.
    assert told.nonzero().tolist() == [[0, 3, 1, 0], [0, 3, 1, 1]]
    assert told[0, 3, 1].tolist() == [1 + 4, 1 + 2]


def test_a_place_that_is_told_is_asked_by_its_digits_of_the_token_its_letter_lies_on() -> None:
    letters = [Letter("4", 0.6, 0.2, 9, told=(0.62, 0.26)), Letter("2", 0.7, 0.2, 9, 1)]
    letters.append(Letter("0", 0.1, 0.9, 16, told=(0.1, 0.88)))
    digits = show([letters], 12, 20).digits[0]
    asked = (digits != IGNORED).any(1).nonzero()[:, 0].tolist()
    assert asked == [2 * 20 + 12, 10 * 20 + 2]
    # In tenths of a token: 12.4 tokens from the left and 3.1 from above; 2.0 and 10.5.
    assert digits[asked].tolist() == [[1, 2, 4, 0, 3, 1], [0, 2, 0, 1, 0, 5]]


def test_hardly_a_mark_is_lost_where_print_is_dense() -> None:
    pages = [full_page(Random(seed), 224, 224)[1] for seed in range(20)]
    assert (show(pages, 8, 8).marks > 0).sum() >= 0.97 * sum(map(len, pages))


def test_hardly_a_letter_of_a_page_is_lost() -> None:
    pages = [doc_sample(Random(seed), 224, 224, 6, 1).letters or [] for seed in range(40)]
    printed = show(pages, 8, 8)
    told = "".join(CHARACTERS[one - 1] for one in printed.letters.flatten() if one)
    assert len(told.replace(" ", "")) >= 0.98 * sum(map(len, pages))


def test_lines_and_columns_are_those_of_the_text() -> None:
    for seed in range(20):
        random = Random(seed)
        blocks = [Block("fields", [("Name:", "Ida Reed"), ("City:", "Oslo")]), Block("prices", [("tea", "2.50")])]
        page = print_page(random, blocks, draw_style(random, 12), 224, 224)
        assert page
        lines: dict[int, str] = {}
        for letter in page[1]:
            lines[letter.line] = lines.get(letter.line, "").ljust(letter.column) + letter.character
        assert lines == {0: "Name: Ida Reed", 1: "City: Oslo", 2: "tea 2.50"}


def test_letters_stand_where_there_is_ink() -> None:
    for seed in range(20):
        page = doc_sample(Random(seed), 224, 224, 6, 1)
        grey = np.asarray(page.medium.image.convert("L"), dtype=float)  # type: ignore[union-attr]
        far = abs(grey - np.median(grey))
        for letter in page.letters or ():
            x, y = int(letter.x * 224), int(letter.y * 224)
            around = far[max(0, y - 9) : y + 10, max(0, x - 4) : x + 5]
            assert around.max() > 40, (seed, letter)


def test_what_comes_before_a_patch_is_what_is_printed_there() -> None:
    asked = blanks = begins = 0
    for seed in range(10):
        letters = doc_sample(Random(seed), 224, 224, 6, 1).letters or []
        printed = show([letters], 8, 8)
        texts: dict[int, str] = {}
        for letter in letters:
            texts[letter.line] = texts.get(letter.line, "").ljust(letter.column) + letter.character
        for token, patch in (printed.first.line[0] != IGNORED).nonzero().tolist():
            line, first = int(printed.first.line[0, token, patch]), int(printed.first.column[0, token, patch])
            words = texts[line][:first].split(" ")
            assert int(printed.first.word[0, token, patch]) == len(words) - 1
            assert int(printed.first.letter[0, token, patch]) == min(len(words[-1]), LETTERS - 1)
            for back, code in enumerate(printed.first.before[0, token, patch].tolist(), 1):
                if first < back:
                    begins += 1
                    assert code == 0
                elif code:  # else that is a slot too many
                    asked += 1
                    blanks += CHARACTERS[code - 1] == " "
                    assert CHARACTERS[code - 1] == texts[line][first - back]
    assert asked > 400
    assert blanks > 20
    assert begins > 50


def test_a_head_that_knows_marks_is_not_wrong_and_others_are() -> None:
    printed = show([doc_sample(Random(1), 224, 224, 6, 1).letters or []], 8, 8)
    heads, patches = PrintHeads(16, 64), torch.randn(1, 256, 64, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = heads.wrong_marks(patches, printed)
    assert first > 3
    for _ in range(200):
        optimizer.zero_grad()
        heads.wrong_marks(patches, printed).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert heads.wrong_marks(patches, printed) < 0.2 * first


def test_print_heads_that_know_are_not_wrong_and_others_are() -> None:
    printed = show([doc_sample(Random(1), 224, 224, 6, 1).letters or []], 8, 8)
    heads, states = PrintHeads(32, 16), torch.randn(1, 64, 32, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = heads.losses(states, states, printed)
    assert first > 7  # letters, lines and columns, each at about the logarithm of its choices
    assert heads.losses(None, states, printed) < first - 3 * EYES
    for _ in range(300):
        optimizer.zero_grad()
        heads.losses(states, states, printed).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert heads.losses(states, states, printed) < 0.2 * first


def test_the_eyes_are_asked_where_in_its_text_print_of_charts_stands_but_not_what_is_loose() -> None:
    label = [Letter(one, 0.1 + 0.1 * at, 0.9, CATEGORIES, at) for at, one in enumerate("Oslo")]
    value = Letter("7", 0.6, 0.1, VALUES, told=(0.6, 0.1), loose=True)
    heads, states = PrintHeads(16, 12), torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))

    def early(*pages: list[Letter]) -> torch.Tensor:
        return heads.misplaced_early(states[: len(pages)], show(pages, 4, 4))

    assert early([*label], [*label]) == 0  # pages, of which no place is told
    assert early([value], [value]) == 0
    assert early([*label, value], [*label]) > 0.3
    # It is the chart of the two that is asked.
    torch.testing.assert_close(early([*label, value], [*label]), early([*label, value]))


def test_what_is_loose_is_found_by_where_it_begins() -> None:
    letters = [Letter(one, 0.30 + 0.04 * at, 0.45, VALUES + 3, at, loose=True) for at, one in enumerate("5.2")]
    printed = show([letters], 4, 4)
    line, high = VALUES, int(0.45 * ROWS) * IN_ROW
    told = [printed.where(0, VALUES + 3, column)[:4] for column in range(4)]
    assert told == [[line, high + column, 3, column] for column in range(4)]
    assert printed.where(0, VALUES + 3, 2)[4:] == [CHARACTERS.index(".") + 1, CHARACTERS.index("5") + 1]
    token = printed.at[0][VALUES + 3, 0][0]
    assert VALUES in printed.first.line[0, token]
    # As what is said of it: there is one way to find it.
    assert all(line != VALUES + 3 for line in printed.first.line.flatten().tolist())
