from __future__ import annotations

import json
import re
from random import Random

import numpy as np
from data.doc import TRANSCRIBE, doc_sample, lines_sample, print_sample, spoken
from data.fonts import FAMILIES, Block, face, font_file
from data.pages import draw_page, full_page

SIZES = [(224, 112), (252, 168), (336, 280)]


def pages(count: int):
    return [draw_page(Random(seed), *SIZES[seed % 3], 9) for seed in range(count)]


def test_a_seed_draws_the_same_sample():
    for seed in range(30):
        one, two = (doc_sample(Random(seed), 252, 168, 9, 5) for _ in range(2))
        assert one.medium.image.tobytes() == two.medium.image.tobytes()
        assert one.questions == two.questions
        assert one.medium.image.size == (252, 168)
        assert one.questions[0].text == TRANSCRIBE
        assert len({question.text for question in one.questions}) == len(one.questions)


def test_nothing_is_printed_at_the_edge():
    for page, image, _ in pages(150):
        pixels = np.asarray(image.convert("L"), dtype=float)
        frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert np.ptp(frame) < 110, page.markdown


def test_bills_add_up():
    bills = 0
    for page, _, _ in pages(300):
        if page.items is None or page.items[0] != "items":
            continue
        bills += 1
        cents = sum(round(item["price"] * 100) for item in page.items[1])
        total = round(page.fields["Total"][1] * 100)
        tax = round(page.fields["Tax"][1] * 100) if "Tax" in page.fields else 0
        assert cents + tax == total
        assert page.fields["Total"][0] in page.markdown
    assert bills > 40


def test_all_that_is_asked_for_stands_on_the_page():
    for page, _, _ in pages(150):
        for text, value in page.fields.values():
            assert text in page.markdown
            assert value == text or f"{value:.2f}" in text or str(value) == text


def test_answers_parse_and_absent_fields_are_null():
    absent = seen = 0
    for seed in range(150):
        for question in doc_sample(Random(seed), 252, 168, 9, 6).questions:
            if "JSON" in question.text:
                seen += 1
                data = json.loads(question.answer)
                assert all(f"{key}" in question.text for key in data)
                absent += None in data.values()
                assert (None in data.values()) == ("It gives no" in question.thought)
    assert seen > 100
    assert absent > 20


def test_a_thought_counts_the_lines_that_are_printed():
    counted = {"told": 0, "listed": 0}
    for seed in range(60):
        sample = doc_sample(Random(seed), 252, 168, 9, 2)
        lines = {letter.line for letter in sample.letters}
        for question in sample.questions:
            if told := re.search(r" I see (\d+ lines?)\.", question.thought):
                assert told[1] == f"{len(lines)} line{'s' if len(lines) > 1 else ''}"
            else:
                *_, last = re.findall(r"[:,] (\d+) ", question.thought.partition("The lines")[2].partition(".")[0])
                assert int(last) == len(lines)
            counted["told" if told else "listed"] += 1
            assert lines == set(range(len(lines)))
    assert min(counted.values()) > 20


def test_whether_one_more_line_is_told_is_read_where_it_begins():
    for seed in range(60):
        for question in doc_sample(Random(seed), 252, 168, 9, 2).questions:
            listing = question.thought.partition(" The lines:")[2].partition(".")[0]
            begin = question.thought.index(listing) if listing else 0
            assert question.cited
            commas = [
                address
                for letter, address in zip(question.thought[begin:], question.cited[begin:], strict=True)
                if letter == ","
            ]
            assert commas[: listing.count(",")] == [(line + 1, 0) for line in range(listing.count(","))]


def test_a_thought_says_what_each_line_is():
    said = {"heading": 0, "head": 0, "item": 0, "row": 0, "labels": 0, "nothing": 0}
    for seed in range(150):
        page, _, _ = draw_page(Random(seed), 252, 168, 9)
        thought = doc_sample(Random(seed), 252, 168, 9, 1).questions[0].thought
        if not (found := re.search(r" The lines: (.*?)\.", thought)):
            assert not page.fields
            assert page.items is None
            said["nothing"] += 1
            continue
        lines = [part.split(" ", 1) for part in found[1].split(", ")]
        assert [int(number) for number, _ in lines] == list(range(1, len(page.rows) + 1))
        for (_, what), row in zip(lines, page.rows, strict=True):
            kind, _, name = what.partition(" ")
            if kind in ("item", "row") and what != "item":
                assert name in ("", row[0])
            elif kind not in ("heading", "head"):
                assert re.fullmatch(f"{spoken(row[0].removesuffix(':'))}|{kind}", what)
            said[kind if kind in said else "labels"] += 1
    assert min(said.values()) > 20


def test_a_thought_says_on_which_line_the_answer_is():
    found = 0
    for seed in range(150):
        sample = doc_sample(Random(seed), 252, 168, 9, 6)
        lines = {}
        for letter in sample.letters:
            lines[letter.line] = lines.get(letter.line, "").ljust(letter.column) + letter.character
        for question in sample.questions[1:]:
            if (said := re.findall(r"on line (\d+)\.$", question.thought)) and not question.answer.startswith("{"):
                found += 1
                assert question.answer in lines[int(said[0]) - 1]
                assert {address[0] for address in question.read if address} <= {int(said[0]) - 1}
    assert found > 150


def test_the_short_way_to_find_lines_says_where_they_begin():
    for seed in range(30):
        sample = lines_sample(Random(seed), 224, 224, 6, 5)
        lines = {letter.line for letter in sample.letters}
        assert len(sample.questions) == 5
        for question in sample.questions:
            assert question.mode == "timed"
            assert "JSON" not in question.text
            assert len(question.cited) == len(question.thought)
            said = [int(c) - 1 for c, at in zip(question.thought, question.cited, strict=True) if at and c.isdigit()]
            spoken_of = [at[0] for at in question.cited if at]
            assert said
            assert said == spoken_of[len(spoken_of) - len(said) :]
            assert set(said) <= set(spoken_of) == lines


def test_blocks_as_markdown():
    assert Block("heading", [("Bill",)]).markdown() == "# Bill"
    assert Block("fields", [("Name:", "Anna Baker"), ("City:", "Oslo")]).markdown() == "Name: Anna Baker\nCity: Oslo"
    assert Block("bullets", [("a",), ("b",)]).markdown() == "- a\n- b"
    assert Block("numbers", [("a",), ("b",)]).markdown() == "1. a\n2. b"
    assert (
        Block("table", [("Item", "Price"), ("tea", "2.50")]).markdown() == "| Item | Price |\n|---|---|\n| tea | 2.50 |"
    )


def test_every_family_has_a_face():
    assert all(face(family, 12, bold).getlength("Oslo") > 10 for family in FAMILIES for bold in (False, True))
    assert font_file("NoSuchFont-Bold.ttf").name == "DejaVuSans-Bold.ttf"


def test_a_page_full_of_print_has_letters_from_top_to_bottom():
    for seed in range(20):
        rows = [letter.y for letter in full_page(Random(seed), 224, 224)[1]]
        assert min(rows) < 0.2
        assert max(rows) > 0.75
        assert len(rows) > 40


def test_pages_to_learn_letters_by_are_those_that_are_asked_about_and_full_ones():
    samples = [print_sample(Random(seed), 224, 224) for seed in range(20)]
    assert not any(sample.questions for sample in samples)
    letters = [len(sample.letters) for sample in samples]
    assert 2 * min(letters) < max(letters)
