"""The drawn world that ernie-nano learns: one file a job, every sample drawn from a seed.

A sample is one picture (or clip) and several questions about it, each with the thought and the answer to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ernie_cli.messages import Part

if TYPE_CHECKING:
    from data.clip import Clip
    from data.scenes import Thing

HELD_OUT = 10**9  # seeds from here on are never trained on


@dataclass(frozen=True)
class Question:
    """What a user asks, the short true thought to have, and the answer to give.

    In the mode `closed` no thought is wanted; in `cut`, the thought is closed for the model somewhere on its way; in
    `judged`, the thought is the model's, and only its verdicts are learned: yes and no; in `timed`, the thought is all
    that is said.
    """

    text: str
    thought: str
    answer: str
    mode: Literal["open", "closed", "cut", "judged", "timed"] = "open"


@dataclass(frozen=True)
class Letter:
    """A printed character and its middle, in fractions of the picture."""

    character: str
    x: float
    y: float


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
