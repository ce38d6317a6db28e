"""Boxes in the formats of other tools, read back by tools that are not ours: pycocotools and supervision."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ernie_cli.cli.box_files import BoxFiles
from ernie_cli.cli.ground import GroundFormat
from ernie_cli.cli.ground_run import Wanted
from ernie_cli.cli.output import Output, Style
from ernie_cli.formats import box_table, labelme, voc, yolo
from ernie_cli.media import LoadedPicture
from ernie_cli.tasks.ground import Box, Point
from ernie_cli.tasks.results import GroundResult, PictureInfo, TimingInfo, UsageInfo

SIZE = (640, 333)
FOUND = {
    "street.png": [
        ("red car", (51.2, 133.2, 179.2, 213.1)),
        ("bicycle", (320.0, 139.9, 454.4, 218.1)),
        ("red car", (0.0, 0.0, 640.0, 333.0)),
    ],
    "empty.png": [],
    "sign.png": [('a "STOP" & <go>: sign', (10.5, 20.5, 30.5, 41.0)), ("红车", (0.4, 0.4, 1.2, 1.3))],
}


def result(
    name: str, boxes: list[tuple[str, Any]] | None = None, points: tuple[Point, ...] | None = None
) -> GroundResult:
    return GroundResult(
        model="fake",
        finish="stop",
        usage=UsageInfo(prompt_tokens=0, image_tokens=0, reasoning_tokens=0, answer_tokens=0),
        timing=TimingInfo(load_s=0, first_token_s=0, total_s=0),
        input=PictureInfo(path=name, width=SIZE[0], height=SIZE[1]),
        query="thing",
        boxes=None
        if boxes is None
        else tuple(Box(label=label, box=box, box_1000=(0, 0, 1, 1)) for label, box in boxes),
        points=points,
    )


def written(format: str, place: Path, *, with_pictures: bool = False, labels: list[str] | None = None) -> Path:
    """What the command writes of `FOUND`."""
    wanted = Wanted(
        *("thing", labels or [], False, None, 1000, GroundFormat(format), place, with_pictures),
        *(None, None, False, None),
    )
    files = BoxFiles(wanted, Output(Style(quiet=True)))
    for name, boxes in FOUND.items():
        files.add(result(name, boxes), LoadedPicture(Image.new("RGB", SIZE), name))
    files.close()
    return place


def same(dataset: Any, within: float) -> None:
    """The data set that another tool has read holds what was found."""
    assert len(dataset) == len(FOUND)
    for path, _, detections in dataset:
        expected = FOUND[Path(path).name]
        assert [dataset.classes[number] for number in detections.class_id] == [label for label, _ in expected]
        if expected:
            assert np.abs(detections.xyxy - np.array([box for _, box in expected])).max() <= within


def pictures(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOUND:
        Image.new("RGB", SIZE).save(folder / name)
    return str(folder)


def test_coco_is_read_by_pycocotools(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    path = written("coco", tmp_path / "boxes.json")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    for image in coco.loadImgs(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        read = []
        for one in annotations:
            x, y, width, height = one["bbox"]
            (category,) = coco.loadCats(one["category_id"])
            read.append((category["name"], (x, y, round(x + width, 1), round(y + height, 1))))
            assert one["area"] == pytest.approx(width * height, abs=0.01)
            assert (one["iscrowd"], "score" in one) == (0, False)
        assert read == FOUND[image["file_name"]]
        assert (image["width"], image["height"]) == SIZE


def test_coco_is_read_by_supervision(tmp_path: Path) -> None:
    import supervision

    path = written("coco", tmp_path / "boxes.json")
    same(supervision.DetectionDataset.from_coco(pictures(tmp_path / "images"), str(path)), 0.001)


def test_yolo_is_read_by_supervision(tmp_path: Path) -> None:
    import supervision

    out = written("yolo", tmp_path / "set", with_pictures=True, labels=["bicycle", "red car"])
    read = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(out / "images"),
        annotations_directory_path=str(out / "labels"),
        data_yaml_path=str(out / "data.yaml"),
    )
    assert read.classes[:2] == ["bicycle", "red car"]
    same(read, 0.001)
    assert (out / "labels" / "empty.txt").read_text() == ""


def test_voc_is_read_by_supervision(tmp_path: Path) -> None:
    import supervision

    out = written("voc", tmp_path / "set", with_pictures=True)
    # The format counts whole pixels; a box thinner than one becomes one.
    same(supervision.DetectionDataset.from_pascal_voc(str(out), str(out)), 1.0)


def test_labelme_is_read_by_supervision(tmp_path: Path) -> None:
    import supervision

    out = written("labelme", tmp_path / "set", with_pictures=True)
    same(supervision.DetectionDataset.from_labelme(str(out), str(out)), 0.001)


def test_labelme_is_read_by_labelme(tmp_path: Path) -> None:
    label_file = pytest.importorskip("labelme._label_file", reason="labelme is not installed (it brings Qt)")
    out = written("labelme", tmp_path / "set", with_pictures=True)
    for name, boxes in FOUND.items():
        read = label_file.LabelFile(str(out / f"{Path(name).stem}.json"))
        shapes = [
            (shape["label"], tuple(number for point in shape["points"] for number in point)) for shape in read.shapes
        ]
        assert shapes == boxes
        assert all(shape["shape_type"] == "rectangle" for shape in read.shapes)


# ------------------------------------------------------------------------------------------------ by themselves


def test_voc_counts_from_one_and_includes_the_last_pixel() -> None:
    text = voc.to_voc(result("a/b.png", [("all", (0.0, 0.0, 640.0, 333.0)), ("dot", (9.2, 9.2, 9.4, 9.4))]), "a/b.png")
    numbers = [
        [line.strip() for line in text.splitlines() if f"<{key}>" in line] for key in ("xmin", "ymin", "xmax", "ymax")
    ]
    assert [row[0] for row in numbers] == [
        *("<xmin>1</xmin>", "<ymin>1</ymin>", "<xmax>640</xmax>", "<ymax>333</ymax>")
    ]
    assert [row[1] for row in numbers] == [
        *("<xmin>10</xmin>", "<ymin>10</ymin>", "<xmax>10</xmax>", "<ymax>10</ymax>")
    ]
    assert "<folder>a</folder>" in text


def test_the_picture_of_a_labelme_file_is_found_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path)
    out = written("labelme", Path("deep/er"))
    assert json.loads((out / "street.json").read_text())["imagePath"] == "../../street.png"


def test_points_are_shapes_of_labelme_and_rows_of_a_table() -> None:
    found = result("a.png", points=(Point(label="nose", point=(1.5, 2.0), point_1000=(2, 6)),))
    (shape,) = json.loads(labelme.to_labelme(found, "a.png"))["shapes"]
    assert (shape["shape_type"], shape["points"]) == ("point", [[1.5, 2.0]])
    assert box_table.to_csv(found) == "path,page,time_s,width,height,label,x,y\na.png,,,640,333,nose,1.5,2.0\n"


@pytest.mark.parametrize("names", [[], ["a"], ['say "hi": #1', "yes", "红车", "back\\slash"]])
def test_data_yaml_is_yaml(names: list[str]) -> None:
    import yaml

    read = yaml.safe_load(yolo.to_data_yaml(names))
    assert read == {"train": "images", "val": "images", "nc": len(names), "names": dict(enumerate(names))}


@pytest.mark.parametrize("format", ["coco", "yolo", "labelme", "voc", "csv", "jsonl"])
def test_no_score_is_invented(tmp_path: Path, format: str) -> None:
    place = written(format, tmp_path / "out")
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    assert files
    assert not any("score" in path.read_text() or "confidence" in path.read_text() for path in files)
