"""Text to token ids and back, through the checkpoint's own SentencePiece model.

Baidu's tokenizer is a thin wrapper around SentencePiece in which the control strings (`<|IMAGE_START|>`, `<think>`)
are pieces of the vocabulary. So this module hands ordinary text to SentencePiece as one string between two control
strings, and never lets text that a *user* wrote turn into a control piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sentencepiece import SentencePieceProcessor

BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # how SentencePiece writes a blank


@dataclass(frozen=True)
class Markup:
    """Text written by the prompt's grammar: control strings in it become single tokens."""

    text: str


@dataclass(frozen=True)
class Literal:
    """Text written by a person or a file: it is only ever text, whatever it spells."""

    text: str


class Tokenizer:
    """The SentencePiece model of a checkpoint; ids are those of the model's embedding rows."""

    def __init__(self, model_file: Path, control: Iterable[str]) -> None:
        """`control` lists the strings that stand for one token each; those the vocabulary lacks are ignored."""
        self._pieces = SentencePieceProcessor(model_file=str(model_file))
        unknown = self._pieces.unk_id()
        ids = {text: self._pieces.piece_to_id(text) for text in control}
        self.control: dict[str, int] = {text: id for text, id in ids.items() if id != unknown}

    def __len__(self) -> int:
        return int(self._pieces.get_piece_size())

    def id(self, control: str) -> int:
        """The id of a control string. Raises KeyError if the vocabulary has no such piece."""
        return self.control[control]

    def encode(self, parts: Iterable[Markup | Literal]) -> list[int]:
        """Token ids of the parts joined; neighbouring text is tokenized together, as in a whole rendered template."""
        ids: list[int] = []
        pending = ""
        for part in parts:
            for text in self._split(part):
                if isinstance(part, Markup) and text in self.control:
                    ids += self._pieces.encode(pending)
                    ids.append(self.control[text])
                    pending = ""
                elif isinstance(part, Literal) and pending and self._pattern.search(pending + text):
                    ids += self._pieces.encode(pending)
                    pending = text
                else:
                    pending += text
        return [*ids, *self._pieces.encode(pending)]

    def _split(self, part: Markup | Literal) -> list[str]:
        """A part cut at its control strings; in literal text, each of these is broken after its first character."""
        pieces = [text for text in self._pattern.split(part.text) if text]
        if isinstance(part, Markup):
            return pieces
        return [half for text in pieces for half in ((text[:1], text[1:]) if text in self.control else (text,)) if half]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.control, key=len, reverse=True)
        return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def bytes_of(self, id: int) -> bytes:
        """The UTF-8 bytes a token stands for: perhaps only a part of a character; none for an unknown piece."""
        piece = str(self._pieces.id_to_piece(id))
        if match := BYTE_PIECE.fullmatch(piece):
            return bytes([int(match[1], 16)])
        if id == self._pieces.unk_id():
            return b""
        return piece.replace(SPACE, " ").encode()

    def decode(self, ids: Iterable[int]) -> str:
        """The text of whole tokens; incomplete characters become U+FFFD."""
        return b"".join(map(self.bytes_of, ids)).decode(errors="replace")
