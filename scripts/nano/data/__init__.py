"""The drawn world that ernie-nano learns: one file a job, every sample drawn from a seed.

A sample is one picture (or clip) and several questions about it, each with the thought and the answer to learn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ernie_cli.messages import Part

if TYPE_CHECKING:
    from data.clip import Clip
    from data.scenes import Thing

HELD_OUT = 10**9  # seeds from here on are never trained on


Address: TypeAlias = tuple[int, int]  # of a character on a page: its line and its column, as in `Letter`


@dataclass(frozen=True)
class Question:
    """What a user asks, the short true thought to have, and the answer to give.

    In the mode `closed` no thought is wanted; in `cut`, the thought is closed for the model somewhere on its way; in
    `judged`, the thought is the model's, and only its verdicts are learned: yes and no; in `reckoned`, only the numbers
    that follow from others; in `timed`, the thought is all that is said.

    An answer with `read` is said letter by letter. It tells, of each and of the answer's end, which character of the
    page is read there: of the end of a line, the one that would follow. `cited` tells, of the thought, where lines
    begin that are spoken of. `misread`, as long as the answer, is what the model is to have said of it where it
    goes on: some letters are wrong, as happens, and it is to read on rightly. `again` tells, of the answer, which
    character of the thought has said the same. `slips` tells which parts of the thought, as (begin, end), are
    wrong: what follows is to be right all the same.
    """

    text: str
    thought: str
    answer: str
    mode: Literal["open", "closed", "cut", "judged", "reckoned", "timed"] = "open"
    read: tuple[Address | None, ...] | None = None
    misread: str | None = None
    cited: tuple[Address | None, ...] | None = None
    again: tuple[int | None, ...] | None = None
    slips: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Letter:
    """A printed character, its middle in fractions of the picture, and where it stands in the text.

    Lines count from the top of the page. In a line, columns count its characters, a blank or a gap as one. One that is
    not `drawn` could stand there: it is to be told from what is seen around. One that is `loose` is found by where
    on the picture it is, since its line cannot be counted. `told` is the place, x and y, that thoughts say of it.
    """

    character: str
    x: float
    y: float
    line: int = 0
    column: int = 0
    drawn: bool = True
    loose: bool = False
    told: tuple[float, float] | None = None


@dataclass(frozen=True)
class Sample:
    """A medium and the questions about it. All of one sample share the medium's tokens while training.

    `things` are what a drawn scene shows, `letters` what is printed on a page, `clip` what happens in a clip, where
    that is known, and `seen` what the eyes made of the medium, if they have been asked.
    """

    medium: Part | None
    questions: list[Question]
    things: list[Thing] | None = None
    letters: list[Letter] | None = None
    clip: Clip | None = None
    seen: Any = None

    def silent(self) -> Sample:
        """The same without questions: only what every token shows is learned."""
        return replace(self, questions=[])
