"""`ernie chart` with a fake engine: tables, files, several pictures, and what goes wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from ernie_cli.messages import Answer, Finish, Note, Picture, Text
from ernie_cli.tasks.results import ChartResult

from .conftest import FINISH, FakeEngine

Ernie = Callable[..., Result]
SALES = {"type": "bar", "title": "Sales", "columns": ["quarter", "units (kEUR)"], "rows": [["Q1", 12], ["Q2", 30]]}
RAIN = {"type": "line", "title": None, "columns": ["month", "mm"], "rows": [["May", None], ["June", 7]]}


def answers(fake: FakeEngine, *replies: object) -> None:
    texts = [reply if isinstance(reply, str) else json.dumps(reply) for reply in replies]
    fake.queue = [[Answer(text), FINISH] for text in texts]


def test_csv_on_a_pipe(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    answers(fake, [SALES])
    result = ernie("chart", picture)
    assert (result.exit_code, result.stdout) == (0, "quarter,units (kEUR)\nQ1,12\nQ2,30\n")
    messages, options = fake.asked[0]
    assert [part.printed for part in messages[0].parts if isinstance(part, Picture)] == [True]
    schema = options.schema
    assert schema is not None
    assert schema["type"] == "array"


def test_json_has_axes_and_all_charts(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    answers(fake, [SALES, RAIN])
    result = ernie("chart", picture, "--json")
    found = json.loads(result.stdout)
    assert found["chart"] == found["charts"][0]
    assert found["chart"]["axes"] == [{"name": "quarter", "unit": None}, {"name": "units", "unit": "kEUR"}]
    assert found["charts"][1]["rows"] == [["May", None], ["June", 7]]
    assert found["input"]["path"] == str(picture)
    ChartResult.model_validate_json(result.stdout)
    assert json.loads(ernie("schema", "chart").stdout) == ChartResult.model_json_schema()


def test_a_table_that_repeated_itself_is_told(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    ended = Note("The answer repeated itself and was ended.", of_answer=True)
    fake.queue = [[Note("fake: bfloat16."), Answer(json.dumps([SALES])), ended, FINISH]] * 2
    assert ernie("chart", picture).stderr.count(f"{picture}: {ended.text}") == 1
    assert json.loads(ernie("chart", picture, "--json").stdout)["notes"] == [ended.text]


def test_markdown(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    answers(fake, [SALES])
    printed = ernie("chart", picture, "-f", "markdown").stdout
    assert printed.startswith("## Sales\n\n| quarter | units (kEUR) |\n")


def test_markdown_of_several_pictures_says_which(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    plain = {**SALES, "title": None}
    answers(fake, [plain, RAIN], [SALES])
    printed = ernie("chart", picture, picture, "-f", "markdown").stdout
    assert [line for line in printed.splitlines() if line.startswith("##")] == [
        f"## {picture}",
        f"## {picture}",
        f"## {picture}: Sales",
    ]
    answers(fake, [plain, RAIN])
    assert "| Q2 | 30 |\n\n| month |" in ernie("chart", picture, "-f", "markdown").stdout


def test_rows_of_several_pictures_say_which(ernie: Ernie, fake: FakeEngine, picture: Path, tmp_path: Path) -> None:
    answers(fake, [SALES], [SALES, RAIN])
    other = tmp_path / "other.png"
    other.write_bytes(picture.read_bytes())
    rows = list(csv.DictReader(io.StringIO(ernie("chart", picture, other, "-f", "csv").stdout)))
    files = [Path(row["file"]).name for row in rows]
    assert files == ["circle.png"] * 2 + ["other.png"] * 4
    assert [row["chart"] for row in rows] == ["chart 1"] * 4 + ["chart 2"] * 2
    assert [row["units (kEUR)"] for row in rows] == ["12", "30", "12", "30", "", ""]


def test_a_picture_that_fails_leaves_the_others(ernie: Ernie, fake: FakeEngine, picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:60])
    answers(fake, [SALES], [RAIN])
    result = ernie("chart", picture, broken, picture)
    assert result.exit_code == 8
    assert len(result.stdout.splitlines()) == 5
    assert "broken.png" in result.stderr


def test_the_pages_of_a_document_are_pictures(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "scan.tiff"
    pages = [Image.new("RGB", (50, 40), color) for color in ("red", "blue", "green")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    answers(fake, [SALES], [SALES])
    rows = list(csv.DictReader(io.StringIO(ernie("chart", f"{path}#2-3").stdout)))
    assert [row["file"].rpartition("#")[2] for row in rows] == ["2", "2", "3", "3"]


def test_a_question_is_answered_in_words(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    answers(fake, "Q2", "Q2")
    assert ernie("chart", picture, "Which quarter was best?").stdout == "Q2\n"
    messages, options = fake.asked[0]
    assert messages[0].parts[-1] == Text("Which quarter was best?")
    assert options.schema is None
    found = json.loads(ernie("chart", picture, "Which quarter was best?", "--json").stdout)
    assert (found["answer"], found["chart"]) == ("Q2", None)


def test_a_mistyped_name_is_no_question(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    result = ernie("chart", picture, "sales.pgn")
    assert (result.exit_code, fake.asked) == (3, [])
    assert "sales.pgn does not exist" in result.stderr


def test_redraw_puts_a_picture_beside_the_table(ernie: Ernie, fake: FakeEngine, picture: Path, tmp_path: Path) -> None:
    answers(fake, [SALES], [RAIN])
    result = ernie("chart", picture, picture, "--redraw", tmp_path / "check.png")
    assert result.stdout.startswith("file,chart,")
    for name in ("check.png", "check-2.png"):
        with Image.open(tmp_path / name) as drawn:
            assert drawn.width > 700


def test_a_picture_that_cannot_be_drawn_is_told_before_any_work(
    ernie: Ernie, fake: FakeEngine, picture: Path, tmp_path: Path
) -> None:
    for wrong in (tmp_path / "check.txt", tmp_path / "no" / "check.png"):
        assert ernie("chart", picture, "--redraw", wrong).exit_code in (2, 3)
    assert ernie("chart", picture, "Which is best?", "--redraw", tmp_path / "a.png").exit_code == 2
    assert fake.asked == []


def test_output_goes_to_a_file_whole(ernie: Ernie, fake: FakeEngine, picture: Path, tmp_path: Path) -> None:
    answers(fake, [SALES])
    result = ernie("chart", picture, "-o", tmp_path / "sales.csv")
    assert result.stdout == ""
    assert (tmp_path / "sales.csv").read_text().startswith("quarter,")


def test_what_cannot_be_read_is_asked_once_more_and_exits_5(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    fake.can_mask = False
    answers(fake, "It is nice.", "Very nice.")
    result = ernie("chart", picture)
    assert (result.exit_code, result.stdout, len(fake.asked)) == (5, "", 2)
    answers(fake, "It is nice.", [SALES])
    assert ernie("chart", picture).stdout.startswith("quarter,")


def test_cut_off_rows_are_printed_and_exit_6(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    fake.queue = [[Answer(json.dumps([SALES])[:-8]), Finish("length", "fake")]]
    result = ernie("chart", picture)
    assert (result.exit_code, result.stdout) == (6, "quarter,units (kEUR)\nQ1,12\n")
    for begun in ("", "[]"):  # short of tokens, a grammar can only close the list
        fake.queue = [[Answer(begun), Finish("length", "fake")]]
        result = ernie("chart", picture)
        assert result.exit_code == 6
        assert "no chart was found" not in result.stderr


@pytest.mark.parametrize(("extra", "code"), [([], 0), (["--fail-empty"], 7)])
def test_no_chart_is_told(ernie: Ernie, fake: FakeEngine, picture: Path, extra: list[str], code: int) -> None:
    answers(fake, [])
    result = ernie("chart", picture, *extra)
    assert (result.exit_code, result.stdout) == (code, "")
    assert "no chart was found" in result.stderr
