"""Pages as files of a folder, each written whole as soon as it is done, so that a run can go on where one ended.

A folder belongs to one document and one way of reading it; what these were is in its `ernie-doc.json`. A page that
failed leaves no file, and is tried again; so is one that was cut off, once `max_tokens` allows more.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.files import free_name, write_whole
from ernie_cli.errors import InputError, UsageError
from ernie_cli.tasks.results import PageInfo

if TYPE_CHECKING:
    from ernie_cli.media import Limits, Source

ABOUT, TOKENS = "ernie-doc.json", "max_tokens"
_MARK = re.compile(r"<!-- page (?:\d+|\?)(?P<cut>, cut off)? -->\n\n?")
_CHUNK = 1 << 20


def file_mark(name: str) -> str:
    """What stands before the pages of one of several documents in Markdown."""
    return f"<!-- {_in_comment(name)} -->"


def _in_comment(text: str) -> str:
    return text.replace("--", "- -")


def mark(page: PageInfo) -> str:
    """What stands before a page in Markdown."""
    number = "?" if page.page is None else page.page
    if page.error is not None:
        return f"<!-- page {number}: {_in_comment(page.error)} -->"
    return f"<!-- page {number}{'' if page.complete else ', cut off'} -->"


def as_markdown(page: PageInfo, *, marked: bool = True) -> str:
    """A page as Markdown, behind its mark."""
    text = page.markdown or ""
    return f"{mark(page)}\n\n{text}".rstrip() if marked else text


class PageFolder:
    """The files of one document. Raises UsageError for a folder that something else is in."""

    def __init__(self, folder: Path, about: dict[str, Any], *, as_json: bool, resume: bool) -> None:
        self.folder, self._suffix = folder, ".json" if as_json else ".md"
        self._claim(about, resume=resume)

    def _claim(self, about: dict[str, Any], *, resume: bool) -> None:
        place = self.folder / ABOUT
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
        except (OSError, ValueError) as failed:
            raise InputError(f"{self.folder} cannot be used: {failed}.", "Choose another folder.") from failed
        if before is not None and not resume:
            raise UsageError(f"{self.folder} holds pages already.", "Go on with --resume, or choose another folder.")
        if before is not None:
            differs = ", ".join(sorted(name for name in about if name != TOKENS and before.get(name) != about[name]))
            hint = "Give the same again, or choose another folder."
            if differs:
                raise UsageError(f"The pages in {self.folder} were made with another {differs}.", hint)
            self._forget_cut(before.get(TOKENS) or 0, about[TOKENS])
        for left in self.folder.glob(".page-*"):  # of a run that was killed while it wrote
            left.unlink(missing_ok=True)
        write_whole(place, json.dumps(about, indent=2, sort_keys=True) + "\n")

    def _forget_cut(self, before: int, now: int) -> None:
        """Removes the pages that were cut off at `before` tokens, if there may be more of them now."""
        if now <= before:
            return
        for place in self.folder.glob(f"page-*{self._suffix}"):
            number = place.stem.removeprefix("page-")
            page = self.done(int(number)) if number.isdecimal() else None
            if page is not None and not page.complete:
                place.unlink(missing_ok=True)

    def _place(self, number: int | None) -> Path:
        return self.folder / f"page-{number or 1:04}{self._suffix}"

    def done(self, number: int | None) -> PageInfo | None:
        """The page as it was read before; None if it was not."""
        try:
            text = self._place(number).read_text(encoding="utf-8")
            if self._suffix == ".json":
                return PageInfo.model_validate_json(text)
        except (OSError, ValueError):
            return None
        found = _MARK.match(text)
        if found is None:
            return None
        body = text[found.end() :].rstrip("\n")
        return PageInfo(page=number, width=0, height=0, markdown=body, complete=found["cut"] is None)

    def keep(self, page: PageInfo) -> None:
        """Writes a page, unless it failed."""
        if page.error is None:
            text = page.model_dump_json(indent=2) if self._suffix == ".json" else as_markdown(page)
            write_whole(self._place(page.page), text + "\n")

    def whole(self, text: str) -> Path:
        """Writes all of the document, beside its pages."""
        place = self.folder / f"document{self._suffix}"
        write_whole(place, text.rstrip("\n") + "\n")
        return place


def fingerprint(source: Source, limits: Limits) -> str:
    """What tells one document from another: the SHA-256 of its bytes, or of a URL, which is fetched only once."""
    if isinstance(source.origin, str):
        return hashlib.sha256(source.origin.encode()).hexdigest()
    digest = hashlib.sha256()
    with source.open(limits) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def folder_name(name: str, taken: set[str]) -> str:
    """A name for a document's folder: that of its file, and different from all others of the run."""
    stem = re.sub(r"[^\w.-]+", "_", Path(name.partition("?")[0]).stem).strip("._")
    return free_name(stem or "document", taken)
