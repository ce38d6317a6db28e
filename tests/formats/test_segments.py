"""Segments in other tools' formats, read back by other people's code."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import av
import pycmx
import pysrt
import pytest
import webvtt

from ernie_cli.formats import chapters, edl, segment_table, subtitles
from ernie_cli.tasks.results import SegmentInfo, segment_info

SEGMENTS = [
    segment_info(4.5, 7.0, "a red ball appears", 0.5),
    segment_info(10.04, 10.04, "a <flash> & = ; # \\ --> then\n\n2", 0.04),
    segment_info(3725.25, 3800.125, "späte Szene", 0.1),
]
LEAST = 0.04


def spans(least: float) -> list[tuple[float, float]]:
    return [(one.start_s, max(one.end_s, one.start_s + least)) for one in SEGMENTS]


def test_vtt(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text(subtitles.to_vtt(SEGMENTS, LEAST), encoding="utf-8")
    cues = list(webvtt.read(path))
    read = [(cue.start_in_seconds + cue.start_time.milliseconds / 1000, cue.text) for cue in cues]
    assert [start for start, _ in read] == [one.start_s for one in SEGMENTS]
    assert cues[1].end == "00:00:10.080"
    assert [text for _, text in read] == [
        "a red ball appears",
        "a &lt;flash&gt; &amp; = ; # \\ -&gt; then 2",
        "späte Szene",
    ]


def test_srt(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(subtitles.to_srt(SEGMENTS, LEAST), encoding="utf-8")
    read = pysrt.open(str(path), encoding="utf-8")
    assert [(cue.start.ordinal / 1000, cue.end.ordinal / 1000) for cue in read] == [
        pytest.approx(span) for span in spans(LEAST)
    ]
    assert [cue.index for cue in read] == [1, 2, 3]
    assert read[1].text == "a <flash> & = ; # \\ -> then 2"


@pytest.mark.parametrize("rate", [25.0, 24000 / 1001, 30000 / 1001, 60.0, 240.0])
def test_edl(rate: float) -> None:
    parsed = pycmx.parse_cmx3600(io.StringIO(edl.to_edl(SEGMENTS, rate, "clip.mp4")))
    assert parsed.title == "clip.mp4"
    used = rate / 4 if rate == 240 else rate
    recorded = 0
    for event, segment in zip(parsed.events, SEGMENTS, strict=True):
        (one,) = event.edits
        source = [_frames(code, round(used)) for code in (one.source_in, one.source_out)]
        assert source[0] / used == pytest.approx(segment.start_s, abs=0.51 / used)
        assert source[1] / used == pytest.approx(max(segment.end_s, segment.start_s + 1 / used), abs=1.01 / used)
        assert one.clip_name == "clip.mp4"
        into = [_frames(code, round(used)) for code in (one.record_in, one.record_out)]
        assert into == [recorded, recorded + source[1] - source[0]]
        recorded = into[1]


def _frames(code: str, beat: int) -> int:
    hours, minutes, seconds, frames = map(int, code.split(":"))
    assert frames < beat
    return ((hours * 60 + minutes) * 60 + seconds) * beat + frames


def test_ffmetadata_is_read_by_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(chapters.to_ffmetadata(SEGMENTS, LEAST), encoding="utf-8")
    with av.open(str(path), format="ffmetadata") as container:
        read = container.chapters()
    assert [(float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"])) for one in read] == [
        pytest.approx(span) for span in spans(LEAST)
    ]
    assert [one["metadata"]["title"] for one in read] == [
        "a red ball appears",
        "a <flash> & = ; # \\ --> then 2",
        "späte Szene",
    ]


def test_youtube_chapters_begin_at_zero() -> None:
    assert chapters.to_youtube(SEGMENTS) == (
        "0:00 Start\n0:04 a red ball appears\n0:10 a <flash> & = ; # \\ --> then 2\n1:02:05 späte Szene\n"
    )
    assert chapters.youtube_doubts(SEGMENTS) == ["YouTube wants every chapter to last 10 s or more; some are shorter."]
    assert "3 or more" in chapters.youtube_doubts(SEGMENTS[2:])[0]


def test_csv() -> None:
    text = segment_table.to_csv([("clip, one.mp4", one) for one in SEGMENTS])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == segment_table.COLUMNS
    assert [float(row["start_s"]) for row in rows] == [one.start_s for one in SEGMENTS]
    assert [row["label"] for row in rows] == [one.label for one in SEGMENTS]
    assert rows[0]["clip"] == "clip, one.mp4"


def test_nothing_found_is_a_valid_file(tmp_path: Path) -> None:
    none: list[SegmentInfo] = []
    (tmp_path / "a.vtt").write_text(subtitles.to_vtt(none, LEAST))
    assert list(webvtt.read(tmp_path / "a.vtt")) == []
    assert subtitles.to_srt(none, LEAST) == chapters.to_youtube(none) == ""
    assert pycmx.parse_cmx3600(io.StringIO(edl.to_edl(none, 25, "a"))).title == "a"
