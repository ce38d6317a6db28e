"""Text to token ids and back, through the checkpoint's own vocabulary.

Baidu's tokenizer is a thin wrapper around SentencePiece in which the control strings (`<|IMAGE_START|>`, `<think>`)
are pieces of the vocabulary; transformers writes the same vocabulary as `tokenizer.json`. So this module hands ordinary
text to either as one string between two control strings, and never lets text that a *user* wrote turn into a control
piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol

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


class Pieces(Protocol):
    """A vocabulary: text to ids, and what each id is written as, with blanks as U+2581 and lone bytes as `<0x0A>`."""

    unknown: int

    def __len__(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...

    def id(self, piece: str) -> int | None: ...

    def piece(self, id: int) -> str: ...


class SentencePieces:
    """A `tokenizer.model`. Raises RuntimeError or OSError if it is none."""

    def __init__(self, file: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model = SentencePieceProcessor(model_file=str(file))
        self.unknown = int(self._model.unk_id())

    def __len__(self) -> int:
        return int(self._model.get_piece_size())

    def encode(self, text: str) -> list[int]:
        return list(self._model.encode(text))

    def id(self, piece: str) -> int | None:
        found = int(self._model.piece_to_id(piece))
        return None if found == self.unknown else found

    def piece(self, id: int) -> str:
        return str(self._model.id_to_piece(id))


class JsonPieces:
    """A `tokenizer.json` as transformers writes it for this model: BPE with blanks as U+2581 and a fallback to bytes.

    Raises ValueError if it is none.
    """

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer as JsonTokenizer

        try:
            self._model = JsonTokenizer.from_file(str(file))
        except Exception as broken:  # the library raises nothing narrower
            raise ValueError(str(broken)) from broken
        # What transformers saved of a last call (cutting off, filling up) is no part of the vocabulary.
        self._model.no_truncation()
        self._model.no_padding()
        self._size = int(self._model.get_vocab_size(with_added_tokens=True))
        self.unknown = int(self._model.token_to_id("<unk>") or 0)

    def __len__(self) -> int:
        return self._size

    def encode(self, text: str) -> list[int]:
        return list(self._model.encode(text, add_special_tokens=False).ids)

    def id(self, piece: str) -> int | None:
        return self._model.token_to_id(piece)

    def piece(self, id: int) -> str:
        return self._model.id_to_token(id) or ""


class Tokenizer:
    """The vocabulary of a checkpoint; ids are those of the model's embedding rows."""

    def __init__(self, file: Path, control: Iterable[str]) -> None:
        """Reads `tokenizer.model` or `tokenizer.json`; raises OSError, RuntimeError or ValueError if it cannot.

        `control` lists the strings that stand for one token each; those the vocabulary lacks are ignored.
        """
        self._pieces: Pieces = JsonPieces(file) if file.suffix == ".json" else SentencePieces(file)
        ids = {text: self._pieces.id(text) for text in control}
        self.control: dict[str, int] = {text: id for text, id in ids.items() if id is not None}

    def __len__(self) -> int:
        return len(self._pieces)

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
                elif isinstance(part, Literal) and pending and self._spelled.search(pending + text):
                    ids += self._pieces.encode(pending)
                    pending = text
                else:
                    pending += text
        return [*ids, *self._pieces.encode(pending)]

    def _split(self, part: Markup | Literal) -> list[str]:
        """A part cut at its control strings; in literal text, each of these is broken after its first character."""
        if isinstance(part, Markup):
            return [text for text in self._pattern.split(part.text) if text]
        cuts = [0, *(match.start() + 1 for match in self._spelled.finditer(part.text)), len(part.text)]
        return [part.text[start:end] for start, end in pairwise(cuts) if end > start]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(f"({self._any_control})")

    @cached_property
    def _spelled(self) -> re.Pattern[str]:
        """What literal text must not turn into: a control string, or anything written like one (`<|LOC_7|>`)."""
        return re.compile(rf"{self._any_control}|<\|[^<>|]{{1,64}}\|>")

    @cached_property
    def _any_control(self) -> str:
        return "|".join(re.escape(text) for text in sorted(self.control, key=len, reverse=True))

    def bytes_of(self, id: int) -> bytes:
        """The UTF-8 bytes a token stands for: perhaps only a part of a character; none for an unknown piece.

        Nor for a row of the embeddings beyond the vocabulary, which is padded to a round number.
        """
        if id >= len(self) or id == self._pieces.unknown:
            return b""
        piece = self._pieces.piece(id)
        if match := BYTE_PIECE.fullmatch(piece):
            return bytes([int(match[1], 16)])
        return piece.replace(SPACE, " ").encode()

    def decode(self, ids: Iterable[int]) -> str:
        """The text of whole tokens; incomplete characters become U+FFFD."""
        return b"".join(map(self.bytes_of, ids)).decode(errors="replace")
