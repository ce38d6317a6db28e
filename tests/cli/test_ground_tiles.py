"""`ernie ground --tile` with a fake engine: which parts are asked about, and what their answers are together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ernie_cli.messages import Answer, Finish, Note

from .conftest import FINISH, FakeEngine, says

Ernie = Callable[..., Result]
CAR = '{"bbox_2d": [80, 400, 280, 640], "label": "red car"}'


def test_tiles_are_asked_one_by_one_and_put_together(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    # Two tiles, at 0 and 520, and all of it.
    fake.queue = [
        [Note("a note"), Answer('[{"bbox_2d": [800, 100, 900, 200], "label": "ship"}]'), FINISH],
        [Answer('[{"bbox_2d": [116, 100, 216, 200], "label": "ship"}, [500, 500, 600, 600]]'), FINISH],
        [Answer('[{"bbox_2d": [0, 0, 10, 10], "label": "speck"}]'), FINISH],
    ]
    result = ernie("ground", street, "ship", "--tile", "760")
    told = json.loads(result.stdout)
    sizes = [messages[0].parts[0].image.size for messages, _ in fake.asked]
    assert sizes == [(760, 720), (760, 720), (1280, 720)]
    assert [box["box"] for box in told["boxes"]] == [[608, 72, 684, 144], [900, 360, 976, 432]]
    assert (told["tiles"], told["usage"]["prompt_tokens"]) == (3, 30)
    assert "1 seen across seams were merged." in result.stderr


def test_a_tile_that_repeated_itself_is_told(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    ended = Note("The answer repeated itself and was ended.", of_answer=True)
    fake.queue = [[Answer("[]"), *told, FINISH] for told in ((), (ended,), ())]
    result = ernie("ground", street, "ship", "--tile", "760")
    assert result.stderr.count("Part 2 of 3: The answer repeated itself and was ended.") == 1


def test_auto_leaves_alone_what_the_model_sees_whole(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, f"[{CAR}]")
    assert json.loads(ernie("ground", street, "car", "--tile", "auto").stdout)["tiles"] == 1
    says(fake, *["[]"] * 40)
    told = json.loads(ernie("ground", street, "car", "--tile", "auto", "--max-pixels", "250000").stdout)
    assert told["tiles"] == len(fake.asked) - 1 > 4


def test_an_unreadable_tile_is_no_empty_tile(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, "Hm?", "[[500, 500, 600, 600]]", "[]")
    result = ernie("ground", street, "ship", "--tile", "760")
    assert result.exit_code == 6
    told = json.loads(result.stdout)
    assert (len(told["boxes"]), told["complete"]) == (1, False)
    assert "1 of 3 answers about its parts could not be read." in result.stderr
    assert "--max-tokens" not in result.stderr
    says(fake, "Hm?", "Hm?", "Hm?")
    assert ernie("ground", street, "ship", "--tile", "760").exit_code == 5


@pytest.mark.parametrize("others", [['[{"bbox_2d": [1'] * 2, ["[]"] * 2])
def test_empty_tiles_beside_one_cut_off_are_no_nothing(
    ernie: Ernie, fake: FakeEngine, street: Path, others: list[str]
) -> None:
    cut = [[Answer('[{"bbox_2d": [1'), Finish("length", "fake")]]
    fake.queue = [*cut, *[[Answer(other), Finish("length" if other != "[]" else "stop", "fake")] for other in others]]
    result = ernie("ground", street, "ship", "--tile", "760", "--fail-empty")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "nothing was found" not in result.stderr
    assert "of 3 answers about its parts" in result.stderr
    assert "nothing could be read. --max-tokens allows more." in result.stderr


def test_points_are_looked_for_in_tiles_only(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, '[{"point_2d": [500, 500], "label": "ship"}]', "[]")
    told = json.loads(ernie("ground", street, "ship", "--points", "--tile", "760").stdout)
    assert (len(fake.asked), told["tiles"], len(told["points"])) == (2, 2, 1)


def test_nothing_is_not_told_of_what_was_cut_off(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    fake.queue = [[Answer('[{"bbox_2d": [5, 5, 5, 9], "label": "a"}, {"bb'), Finish("loop", "fake")]]
    result = ernie("ground", street, "ship")
    assert "nothing was found" not in result.stderr
