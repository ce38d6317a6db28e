from __future__ import annotations

import json
from random import Random

import pytest
from data import pool
from data.chart import TABLE, ask_chart, chart_sample
from data.plots import draw_chart


@pytest.fixture(scope="module")
def drawn():
    return [draw_chart(Random(seed), 252, 196) for seed in range(20)]


def test_a_seed_draws_the_same_sample():
    for seed in (3, 4, 5):
        one, two = (chart_sample(Random(seed), 224, 168, 5) for _ in range(2))
        assert one.medium.image.tobytes() == two.medium.image.tobytes()
        assert one.questions == two.questions
        assert one.medium.image.size == (224, 168)


def test_charts_are_of_all_kinds_and_sound(drawn):
    assert {chart.kind for chart in drawn} == {"bar", "line", "pie"}
    for chart in drawn:
        assert chart.image.size == (252, 196)
        assert 2 <= len(chart.rows) <= 6
        assert len({label for label, _ in chart.rows}) == len(chart.rows)
        if chart.kind == "pie":
            assert sum(value for _, value in chart.rows) == pytest.approx(100)
        else:
            assert max(value for _, value in chart.rows) - min(value for _, value in chart.rows) <= chart.span
        values = sorted(value for _, value in chart.rows)
        assert values[0] < values[1]
        assert values[-2] < values[-1]


def test_answers_say_what_is_drawn(drawn):
    for chart in drawn:
        table, *others = ask_chart(Random(1), chart, 8)
        assert table.text == TABLE
        (read,) = json.loads(table.answer)
        assert (read["type"], read["title"], tuple(read["columns"])) == (chart.kind, chart.title, chart.columns)
        assert [tuple(row) for row in read["rows"]] == chart.rows
        highest = max(chart.rows, key=lambda row: row[1])
        for question in others:
            if question.text.startswith("Which") and ("highest" in question.text or "largest" in question.text):
                assert question.answer == highest[0]
            if question.text.startswith("What is the value of "):
                label = question.text.removeprefix("What is the value of ").removesuffix("?")
                assert float(question.answer.removesuffix("%")) == dict(chart.rows)[label]


def test_the_pool_gives_back_what_was_drawn(tmp_path):
    path = pool.fill("chart", 7, tmp_path, samples=3)
    assert pool.shards("chart", tmp_path) == [path]
    assert [file.name for file in path.parent.iterdir()] == ["7.zip"]
    before = path.read_bytes()
    path.unlink()
    assert pool.fill("chart", 7, tmp_path, samples=3).read_bytes() == before
    size = pool.shard_size(7)
    for index in range(3):
        drawn = pool.DRAWERS["chart"](Random(7 * pool.SAMPLES + index), *size)
        read = pool.read(path, index, Random(0), 3)
        assert read.medium.image.tobytes() == drawn.medium.image.tobytes()
        assert read.questions[0] == drawn.questions[0]
        assert all(question in drawn.questions for question in read.questions)
    batch = pool.pool_samples(Random(0), "chart", 4, 3, tmp_path)
    assert {sample.medium.image.size for sample in batch} == {size}


def test_the_pool_keeps_off_the_seeds_of_evaluation(tmp_path):
    with pytest.raises(ValueError, match="kept for evaluation"):
        pool.fill("chart", pool.HELD_OUT // pool.SAMPLES, tmp_path)
    with pytest.raises(FileNotFoundError, match="run python"):
        pool.pool_samples(Random(0), "chart", 4, 3, tmp_path)
