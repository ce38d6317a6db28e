"""Where `ernie ground` puts what it found: lines on stdout as pictures finish, files, folders, drawings, crops."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.files import free_name, make_folder, save_picture, write_whole

if TYPE_CHECKING:
    from PIL.Image import Image

    from ernie_cli.cli.ground_run import Wanted
    from ernie_cli.cli.output import Output
    from ernie_cli.media import LoadedPicture
    from ernie_cli.tasks.ground import Box
    from ernie_cli.tasks.results import GroundResult


class BoxFiles:
    """Takes the results of one run, one after the other; what goes into one file is written at the end."""

    def __init__(self, wanted: Wanted, output: Output) -> None:
        self.wanted, self.output = wanted, output
        self.labels: list[str] = list(wanted.labels)  # all so far: their order gives colours and class numbers
        self.several = False  # whether rows have to say which picture they are about
        self._results: list[GroundResult] = []
        self._count = 0
        self._headed = False  # whether the names of the columns were printed
        self._stems: set[str] = set()
        self._pointless = False  # whether it was told that an annotation points at no picture
        formats: dict[str, Callable[[GroundResult, LoadedPicture, str], None]] = {
            **{"text": self._text, "json": self._json, "jsonl": self._json, "csv": self._csv, "coco": self._keep},
            **{"yolo": self._yolo, "labelme": self._labelme, "voc": self._voc},
        }
        self._write = formats[wanted.format.value]

    def add(self, result: GroundResult, picture: LoadedPicture) -> None:
        """One picture's result, to where it goes. Raises InputError for a place that cannot be written."""
        things = result.boxes or result.points or ()
        self.labels += [label for label in dict.fromkeys(one.label for one in things) if label not in self.labels]
        stem = self._stem(picture)
        self._write(result, picture, stem)
        self._count += 1
        self._seen(result, picture, stem)

    def close(self) -> None:
        """Writes what waited for the last picture."""
        wanted, format = self.wanted, self.wanted.format.value
        if format == "yolo" and self._count and wanted.output is not None:
            from ernie_cli.formats.yolo import to_data_yaml

            write_whole(wanted.output / "data.yaml", to_data_yaml(self.labels))
        if format in ("yolo", "labelme", "voc"):
            if self._count:
                files = "1 file" if self._count == 1 else f"{self._count} files"
                self.output.note(f"{files} of annotations written to {wanted.output}.")
        elif self._results:
            # A run in which nothing could be read writes nothing: an empty file would say "nothing found".
            self._write_one(self._whole())

    def _write_one(self, text: str) -> None:
        if self.wanted.output is None:
            self.output.text(text.rstrip("\n"))
            return
        write_whole(self.wanted.output, text if not text or text.endswith("\n") else f"{text}\n")
        self.output.note(f"Written to {self.wanted.output}.")

    def _whole(self) -> str:
        """All results as one file."""
        results, format = self._results, self.wanted.format.value
        if format == "coco":
            from ernie_cli.formats.coco import to_coco

            return to_coco(results, [_file_name(result) for result in results], self.labels)
        if format == "csv":
            from ernie_cli.formats.box_table import to_csv

            return "".join(to_csv(result, header=at == 0) for at, result in enumerate(results))
        if format == "text":
            return "".join("\t".join(row) + "\n" for result in results for row in self._rows(result, many=self.several))
        indent = 2 if len(results) == 1 and format == "json" else None
        return "".join(f"{result.model_dump_json(indent=indent)}\n" for result in results)

    # ------------------------------------------------------------------------------------------- one after the other

    def _keep(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        self._results.append(result)

    def _json(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        if self.wanted.output is not None:
            self._results.append(result)
        elif self.wanted.format.value == "jsonl":
            self.output.text(result.model_dump_json())
        else:
            self.output.result(result)

    def _csv(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        from ernie_cli.formats.box_table import to_csv

        if self.wanted.output is not None:
            self._results.append(result)
        elif rows := to_csv(result, header=self._count == 0):
            self.output.text(rows.rstrip("\n"))

    def _text(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        if self.wanted.output is not None:
            self._results.append(result)
            return
        names = ["label", "x", "y"] if self.wanted.points else ["label", "x1", "y1", "x2", "y2"]
        names = ["picture", *names] if self.several else names
        if rows := self._rows(result, many=self.several):
            headed = self.output.stdout_is_terminal and not self._headed
            self.output.table(names if headed else [""] * len(names), rows)
            self._headed = True

    def _rows(self, result: GroundResult, *, many: bool) -> list[list[str]]:
        first = [_file_name(result)] if many else []
        boxes = [[*first, _line(one.label), *map(_plain, one.box)] for one in result.boxes or ()]
        return boxes + [[*first, _line(one.label), *map(_plain, one.point)] for one in result.points or ()]

    # ------------------------------------------------------------------------------------------- folders

    def _yolo(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        from ernie_cli.formats.yolo import to_labels

        self._put("labels", f"{stem}.txt", to_labels(result, self.labels))
        if self.wanted.with_pictures:
            self._put("images", f"{stem}.png", picture.image)

    def _labelme(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        from ernie_cli.formats.labelme import to_labelme

        self._put("", f"{stem}.json", to_labelme(result, self._picture_path(picture, stem)))

    def _voc(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        from ernie_cli.formats.voc import to_voc

        self._put("", f"{stem}.xml", to_voc(result, self._picture_path(picture, stem)))

    def _picture_path(self, picture: LoadedPicture, stem: str) -> str:
        """Where the picture is, seen from the folder; it is put there first if that was asked for."""
        folder = self.wanted.output
        assert folder is not None
        if self.wanted.with_pictures:
            self._put("", f"{stem}.png", picture.image)
            return f"{stem}.png"
        still = picture.page is None and picture.time_s is None and os.path.isfile(picture.name)
        if still:
            return os.path.relpath(picture.name, folder).replace(os.sep, "/")
        if not self._pointless:
            self._pointless = True
            name = _placed(picture.name, picture.page, picture.time_s)
            self.output.note(f"{name} is no picture file to point at; --with-pictures writes one.")
        return picture.name

    def _put(self, inner: str, name: str, content: Any) -> None:
        assert self.wanted.output is not None
        folder = self.wanted.output / inner
        make_folder(folder)
        if isinstance(content, str):
            write_whole(folder / name, content if not content or content.endswith("\n") else f"{content}\n")
        else:
            save_picture(content, folder / name)

    # ------------------------------------------------------------------------------------------- seeing it

    def _seen(self, result: GroundResult, picture: LoadedPicture, stem: str) -> None:
        wanted = self.wanted
        if wanted.crop is not None and result.boxes:
            make_folder(wanted.crop)
            for number, box in enumerate(result.boxes, 1):
                save_picture(_cut_out(picture.image, box), wanted.crop / f"{stem}-{number:02}-{_slug(box.label)}.png")
            crops = "1 crop" if len(result.boxes) == 1 else f"{len(result.boxes)} crops"
            self.output.note(f"{crops} written to {wanted.crop}.")
        if wanted.draw is None and not wanted.show:
            return
        from ernie_cli.draw.boxes import draw_boxes

        drawn = draw_boxes(picture.image, result.boxes or result.points or (), self.labels)
        if wanted.show:
            self.output.picture(drawn)
        if wanted.draw is not None:
            self._draw(drawn, wanted.draw, stem)

    def _draw(self, drawn: Image, place: Path, stem: str) -> None:
        """To the file that was named (numbered from the second page of a document on), or into the folder."""
        if place.is_dir() or not place.suffix:
            make_folder(place)
            place = place / f"{stem}.png"
        elif self._count > 1:
            place = place.with_stem(f"{place.stem}-{self._count}")
        save_picture(drawn, place)
        self.output.note(f"Drawn to {place}.")

    def _stem(self, picture: LoadedPicture) -> str:
        """A name for a picture's files that no other one of this run has: the picture's own, if it is a file.

        Tools pair pictures and annotations by name.
        """
        part = f"-p{picture.page}" if picture.page is not None else ""
        part += f"-{picture.time_s:.2f}s" if picture.time_s is not None else ""
        name = Path(picture.name).stem if os.path.isfile(picture.name) else _slug(_last(picture.name))
        return free_name((name or "picture") + part, self._stems)


def _cut_out(image: Image, box: Box) -> Image:
    """The pixels that a box touches."""
    left, top, right, bottom = box.box
    return image.crop((math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)))


def _file_name(result: GroundResult) -> str:
    return _placed(result.input.path, result.input.page, result.input.time_s)


def _placed(name: str, page: int | None, time_s: float | None) -> str:
    """A picture's name with the page or the time it is from, as an input is written."""
    return name + (f"#{page}" if page is not None else f"#t={time_s:g}" if time_s is not None else "")


def _line(label: str) -> str:
    """A label that breaks neither lines nor columns."""
    return " ".join(label.split())


def _plain(number: float) -> str:
    return f"{number:g}" if number < 1e5 else f"{number:.1f}"


def _last(name: str) -> str:
    """The last part of an address without its ending; what stands before the brackets in "the data URL (image/png)"."""
    return Path(re.split(r"[?]| \(", name)[0]).stem


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:60]
