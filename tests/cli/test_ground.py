"""`ernie ground` with a fake engine: what is printed, written and drawn, and how it ends."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Event, Picture, Text, Thinking
from tests.media import clip_files

from .conftest import FINISH, FakeEngine, says

Ernie = Callable[..., Result]
CAR = '{"bbox_2d": [80, 400, 280, 640], "label": "red car"}'
BIKE = '{"bbox_2d": [500, 420, 710, 655], "label": "bicycle"}'


def test_the_object_of_the_design(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    fake.queue = [[Thinking("Left."), Answer(f"[{CAR}]"), FINISH]]
    result = ernie("ground", street, "red car")
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    assert json.loads(result.stdout) == {
        "version": 1,
        "command": "ground",
        "model": "fake",
        "finish": "stop",
        "usage": {"prompt_tokens": 10, "image_tokens": 4, "reasoning_tokens": 2, "answer_tokens": 1},
        "timing": json.loads(result.stdout)["timing"],
        "input": {"path": str(street), "width": 1280, "height": 720, "page": None, "time_s": None},
        "query": "red car",
        "boxes": [{"label": "red car", "box": [102.4, 288.0, 358.4, 460.8], "box_1000": [80, 400, 280, 640]}],
        "points": None,
        "complete": True,
        "dropped": 0,
        "tiles": 1,
        "notes": [],
    }


def test_json_fits_its_published_schema(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    import jsonschema

    says(fake, f"[{CAR}]")
    printed = json.loads(ernie("ground", street, "red car").stdout)
    jsonschema.validate(printed, json.loads(ernie("schema", "ground").stdout))


def test_what_is_sent(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, "[]", "[]", "[]")
    ernie("ground", street, "red car")
    ernie("ground", street, "-l", "car", "-l", "bicycle, parked")
    ernie("ground", street, "cat, dog and cow", "--points")
    asked = [(messages[0].parts, options.schema) for messages, options in fake.asked]
    (picture, text), schema = asked[0]
    assert isinstance(picture, Picture)
    assert isinstance(text, Text)
    assert text.text.startswith("Find every red car. Answer with JSON only")
    assert schema is not None
    assert schema["items"]["properties"]["label"] == {"type": "string"}
    (_, text), schema = asked[1]
    assert isinstance(text, Text)
    assert text.text.startswith("Find every car and bicycle, parked. ")
    assert schema is not None
    assert schema["items"]["properties"]["label"] == {"enum": ["car", "bicycle, parked"]}
    (_, text), schema = asked[2]
    assert isinstance(text, Text)
    assert text.text.startswith("Find every cat, dog and cow. ")
    assert schema is not None
    assert schema["items"]["properties"]["label"] == {"enum": ["cat", "dog", "cow"]}
    assert "point_2d" in schema["items"]["properties"]


def test_names_are_settled_on_the_labels_asked_for(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    answer = (
        '[{"bbox_2d": [1, 2, 3, 4], "label": "Cars"}, {"bbox_2d": [5, 6, 7, 8], "label": "a dog"}, [9, 10, 11, 12]]'
    )
    says(fake, answer, answer)
    boxes = json.loads(ernie("ground", street, "-l", "car", "-l", "dog").stdout)["boxes"]
    assert [box["label"] for box in boxes] == ["car", "dog", "car, dog"]
    boxes = json.loads(ernie("ground", street, "-l", "vehicle").stdout)["boxes"]
    assert {box["label"] for box in boxes} == {"vehicle"}


def test_points(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, '[{"point_2d": [250, 500], "label": "nose"}]')
    result = json.loads(ernie("ground", street, "nose", "--points").stdout)
    assert result["points"] == [{"label": "nose", "point": [320.0, 360.0], "point_1000": [250, 500]}]
    assert result["boxes"] is None


@pytest.mark.parametrize(
    ("scale", "answer"),
    [("1", "[[0.08, 0.4, 0.28, 0.64]]"), ("1280x720", "[[102, 288, 358, 461]]"), ("pixels", "[[102, 288, 358, 461]]")],
)
def test_scale(ernie: Ernie, fake: FakeEngine, street: Path, scale: str, answer: str) -> None:
    says(fake, answer)
    box = json.loads(ernie("ground", street, "car", "--scale", scale).stdout)["boxes"][0]["box"]
    assert box == pytest.approx([102.4, 288, 358.4, 460.8], abs=0.6)
    ((_, options),) = fake.asked
    assert options.schema is not None
    number = options.schema["items"]["properties"]["bbox_2d"]["items"]
    assert number["maximum"] == {"1": 1}.get(scale, 1280)


def test_nothing_is_an_empty_list(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, "[]", "[]")
    result = ernie("ground", street, "cat")
    assert (result.exit_code, json.loads(result.stdout)["boxes"]) == (0, [])
    assert "nothing was found" in result.stderr
    assert ernie("ground", street, "cat", "--fail-empty").exit_code == 7


def test_what_was_dropped_is_counted(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, f'[{CAR}, {CAR}, {{"bbox_2d": [5, 5, 5, 9], "label": "line"}}]')
    result = ernie("ground", street, "red car")
    assert json.loads(result.stdout)["dropped"] == 2
    assert "2 things were without area, repeated or unreadable" in result.stderr


def test_unreadable_exits_5_with_the_answer_on_stderr(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, "I like cars.\nA lot.")
    result = ernie("ground", street, "red car", "-q")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "The answer was:\nI like cars.\nA lot.\n" in result.stderr


def test_an_engine_that_cannot_mask_is_asked_once_more(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    fake.can_mask = False
    says(fake, "I like cars.", f"[{CAR}]")
    result = ernie("ground", street, "red car")
    assert (result.exit_code, len(json.loads(result.stdout)["boxes"]), len(fake.asked)) == (0, 1, 2)
    assert "Asking once more." in result.stderr
    usage = FINISH.usage + FINISH.usage
    fake.queue = [[Answer("I like cars."), FINISH], [Answer(f"[{CAR}]"), FINISH]]
    assert json.loads(ernie("ground", street, "red car").stdout)["usage"]["prompt_tokens"] == usage.prompt_tokens
    says(fake, "I like cars.", "Red ones.")
    result = ernie("ground", street, "red car")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "The answer was:\nRed ones." in result.stderr


# ------------------------------------------------------------------------------------------------ many pictures


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(50):
        Image.new("RGB", (64, 48), (number, 90, 90)).save(folder / f"{number}.png")
    return folder


def test_one_broken_picture_of_50_costs_one_line(ernie: Ernie, fake: FakeEngine, scenes: Path) -> None:
    (scenes / "17.png").write_bytes((scenes / "17.png").read_bytes()[:60])
    says(fake, *[f"[{CAR}]"] * 49)
    result = ernie("ground", f"{scenes}/*.png", "car", "-f", "jsonl")
    assert result.exit_code == 8
    lines = result.stdout.splitlines()
    assert len(lines) == 49
    assert [len(json.loads(line)["boxes"]) for line in lines] == [1] * 49
    assert result.stderr.count("Error: ") == 1
    assert "17.png is a damaged" in result.stderr
    assert "1 of 50 inputs failed." in result.stderr


def test_lines_come_as_pictures_finish(ernie: Ernie, fake: FakeEngine, scenes: Path) -> None:
    events: list[list[Event | BaseException]] = [[Answer("[]"), FINISH] for _ in range(3)]
    fake.queue = [*events, [KeyboardInterrupt()]]
    result = ernie("ground", f"{scenes}/*.png", "car", "-f", "jsonl")
    assert result.exit_code == 130
    assert [Path(json.loads(line)["input"]["path"]).name for line in result.stdout.splitlines()] == [
        *("0.png", "1.png", "2.png")
    ]


def test_an_interruption_keeps_what_was_found_in_the_file(
    ernie: Ernie, fake: FakeEngine, scenes: Path, tmp_path: Path
) -> None:
    fake.queue = [[Answer(f"[{CAR}]"), FINISH], [KeyboardInterrupt()]]
    ernie("ground", f"{scenes}/*.png", "car", "-f", "csv", "-o", tmp_path / "boxes.csv")
    assert (tmp_path / "boxes.csv").read_text().count("\n") == 2


def test_a_missing_file_is_told_before_any_work(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    result = ernie("ground", street, "nowhere.png", "car")
    assert result.exit_code == 3
    assert fake.asked == []


def test_pages_and_errors_of_the_model(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    gone = ModelError("It is gone.", "Fetch it.")
    fake.queue = [[Answer(f"[{CAR}]"), FINISH], [gone], [gone]]
    result = ernie("ground", tmp_path / "two.tif", "car")
    assert result.exit_code == 8
    assert json.loads(result.stdout)["input"]["page"] == 1
    assert ernie("ground", tmp_path / "two.tif", "car").exit_code == 4  # not once for each page


def test_a_moment_of_a_clip(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip_files.write_clip(clip, [number / 10 for number in range(40)], rate=10)
    says(fake, '[{"point_2d": [500, 500], "label": "ball"}]')
    told = json.loads(ernie("ground", f"{clip}#t=1.2", "ball", "--points").stdout)
    assert (told["input"]["path"], told["input"]["time_s"]) == (str(clip), pytest.approx(1.2, abs=0.05))
    assert told["points"][0]["point"] == [side / 2 for side in clip_files.SIZE]
    shown = fake.asked[0][0][0].parts[0]
    assert isinstance(shown, Picture)
    assert clip_files.number_in(shown.image) == round(1.2 * 10)
    late = ernie("ground", f"{clip}#t=99", "ball")
    assert (late.exit_code, len(fake.asked)) == (3, 1)
    assert "it lasts 4.00 s" in late.stderr


# ------------------------------------------------------------------------------------------------ formats and files


def test_csv_has_one_header_and_a_row_a_box(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, f"[{CAR}, {BIKE}]", "[]", '[{"bbox_2d": [0, 0, 500, 500], "label": "a, \\"b\\""}]')
    printed = ernie("ground", street, street, street, "thing", "-f", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["label"], row["x1"], row["y2"]) for row in rows] == [
        *(("red car", "102.4", "460.8"), ("bicycle", "640.0", "471.6"), ('a, "b"', "0.0", "360.0"))
    ]
    assert {row["path"] for row in rows} == {str(street)}


def test_text_is_tabs_on_a_pipe(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, f"[{CAR}]")
    assert ernie("ground", street, "red car", "-f", "text").stdout == "red car\t102.4\t288\t358.4\t460.8\n"
    says(fake, f"[{CAR}]".replace("red ", "red\\n"), f"[{BIKE}]")
    two = ernie("ground", street, street, "red car", "-f", "text").stdout
    assert two.splitlines()[0] == f"{street}\tred car\t102.4\t288\t358.4\t460.8"
    assert two.splitlines()[1] == f"{street}\tbicycle\t640\t302.4\t908.8\t471.6"


def test_a_variable_chooses_the_format(
    ernie: Ernie, fake: FakeEngine, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERNIE_FORMAT", "text")
    says(fake, f"[{CAR}]")
    assert ernie("ground", street, "red car").stdout.startswith("red car\t")


@pytest.mark.parametrize("format", ["yolo", "labelme", "voc"])
def test_many_files_need_a_folder(ernie: Ernie, fake: FakeEngine, street: Path, format: str) -> None:
    result = ernie("ground", street, "red car", "-f", format)
    assert result.exit_code == 2
    assert f"--format {format} -o FOLDER" in result.stderr
    result = ernie("ground", street, "red car", "-f", format, "-o", street)
    assert result.exit_code == 2
    assert fake.asked == []


@pytest.mark.parametrize("option", ["--crop", "--draw", "-f yolo -o"])
def test_a_folder_that_cannot_be_is_refused_before_any_work(
    ernie: Ernie, fake: FakeEngine, street: Path, option: str
) -> None:
    result = ernie("ground", street, "car", *option.split(), street / "folder")
    assert (result.exit_code, result.stdout) == (3, "")
    assert fake.asked == []


def test_where_nothing_could_be_read_no_file_is_told_of(
    ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path
) -> None:
    says(fake, "Hm?")
    result = ernie("ground", street, "car", "-f", "yolo", "-o", tmp_path / "set")
    assert result.exit_code == 5
    assert "annotations" not in result.stderr
    assert not (tmp_path / "set").exists()


def test_files_are_named_as_the_pictures(ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path) -> None:
    long = tmp_path / f"{'a' * 70} (1) #2.png"
    long.write_bytes(street.read_bytes())
    says(fake, f"[{CAR}]", f"[{CAR}]")
    ernie("ground", long, "-l", "car", "-f", "yolo", "-o", tmp_path / "set")
    assert (tmp_path / "set" / "labels" / f"{long.stem}.txt").exists()
    url = "data:image/png;base64," + base64.b64encode(street.read_bytes()).decode()
    ernie("ground", url, "-l", "car", "--crop", tmp_path / "crops")
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["the-data-URL-01-car.png"]


def test_names_in_a_folder_are_never_used_twice(ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path) -> None:
    says(fake, f"[{CAR}]", f"[{BIKE}]")
    ernie("ground", street, street, "thing", "-f", "voc", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["street-2.xml", "street.xml"]


def test_annotations_that_point_at_no_picture_are_told(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    says(fake, *[f"[{CAR}]"] * 4)
    arguments = ("ground", tmp_path / "two.tif", "car", "-f", "labelme", "-o", tmp_path / "set")
    assert ernie(*arguments).stderr.count("two.tif#1 is no picture file to point at; --with-pictures writes one.") == 1
    result = ernie(*arguments, "--with-pictures")
    assert "point at" not in result.stderr
    assert (tmp_path / "set" / "two-p2.png").exists()


def test_json_to_a_file(ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path) -> None:
    says(fake, f"[{CAR}]", f"[{CAR}]", f"[{BIKE}]")
    assert ernie("ground", street, "red car", "-o", tmp_path / "one.json").stdout == ""
    assert len(json.loads((tmp_path / "one.json").read_text())["boxes"]) == 1
    ernie("ground", street, street, "red car", "-o", tmp_path / "two.json")
    assert [json.loads(line)["boxes"][0]["label"] for line in (tmp_path / "two.json").read_text().splitlines()] == [
        *("red car", "bicycle")
    ]


def test_draw_and_crop(ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path) -> None:
    says(fake, f"[{CAR}, {BIKE}]", f"[{CAR}]", f"[{CAR}]")
    ernie("ground", street, "thing", "--draw", tmp_path / "found.png", "--crop", tmp_path / "crops")
    with Image.open(tmp_path / "found.png") as drawn, Image.open(street) as plain:
        assert drawn.size == plain.size
        assert drawn.convert("RGB").getpixel((100, 400)) != plain.convert("RGB").getpixel((100, 400))
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "crops").iterdir()}
    assert sizes == {"street-01-red-car.png": (257, 173), "street-02-bicycle.png": (269, 170)}
    ernie("ground", street, street, "thing", "--draw", tmp_path / "drawn")
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["street-2.png", "street.png"]


def test_show_needs_a_terminal(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    says(fake, f"[{CAR}]")
    result = ernie("ground", street, "red car", "--show")
    assert result.exit_code == 0
    assert "only on a terminal" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to find"),
        (["-l", " "], "A label is empty"),
        (["car", "--tile", "no"], "--tile no"),
        (["car", "--scale", "0"], "--scale 0"),
        (["car", "--points", "-f", "coco"], "needs boxes"),
        (["car", "--with-pictures"], "--with-pictures"),
        (["car", "--draw", "found.gif"], "no picture format"),
        (["nowhere.png"], "nothing to find"),
        ([",,"], "nothing to find"),
    ],
)
def test_what_makes_no_sense_exits_2(
    ernie: Ernie, fake: FakeEngine, street: Path, arguments: list[str], told: str
) -> None:
    result = ernie("ground", street, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert fake.asked == []


def test_a_dry_run_sends_nothing(ernie: Ernie, fake: FakeEngine, street: Path) -> None:
    assert json.loads(ernie("ground", street, "red car", "--dry-run").stdout)["prompt"] == "what would be sent"
    assert ernie("ground", street, "red car", "--dry-run", "-f", "text").stdout == "what would be sent\n"
    assert fake.asked == []


def test_a_dry_run_tells_what_it_could_not_read(ernie: Ernie, fake: FakeEngine, street: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    assert ernie("ground", street, tmp_path / "bad.png", "car", "--dry-run").exit_code == 8
    assert ernie("ground", street, "car", "--dry-run", "--fail-empty").exit_code == 0
