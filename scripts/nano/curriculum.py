"""What nano is shown when: which job, how many things in a picture, and at which size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from batches import WANTED
from data import Question, Sample
from data.ask import easy_sample, scene_sample
from data.chart import reckoned_sample, sample_of
from data.clip import HOLD
from data.doc import doc_sample, lines_sample, print_sample
from data.ground import ground_sample, judged_sample
from data.plots import Chart, draw_chart
from data.reading import misread
from data.scenes import draw_size
from data.sizes import PRINT
from data.slips import slipped, stammered
from data.video import (
    PROMPT,
    absent_question,
    brief_sample,
    clocks_sample,
    colored_question,
    look_sample,
    moving_sample,
    questions_about,
    restless_sample,
    video_sample,
)

from ernie_cli.runtime.vision import FACTOR, PixelBudget, PixelBudgets, fit

if TYPE_CHECKING:
    from reels import Reels

# About 64 tokens, whatever the picture's size: then the width of a picture tells its height as well.
PICTURES = PixelBudget(224 * 224, 80 * FACTOR**2)
TINY = PixelBudget(2 * 2 * FACTOR**2, 2 * 2 * FACTOR**2)
FRAMES = PixelBudget(84 * 84, 124 * 124)  # so that 4:3 and 6:5 come out at 112 x 112, and the clock is no smaller
STRIPS = PixelBudget(FACTOR**2, 124 * 124)  # of frames, as they are
BUDGETS = PixelBudgets(PICTURES, FRAMES, PRINT)
# Seeing is what takes long, so a batch has many pictures with one question each rather than few with several.
QUESTIONS = 1
ROWS = 32
PAGE = 160  # pixels of a side of a page, at least: smaller ones hold little print
CHARTED = 0.6  # of batches of letters
# Of charts, that have labels which are turned, beside those that happen to: these are read worst by far. The first for
# the eyes, the other for the decoder, which learns from the rest as they are asked about.
TURNED, TURNED_ASKED = 0.3, 0.15
AGAIN = 3  # how often what takes long to draw is shown, on average: charts, and clips (`reels.py`)
CHARTS_KEPT = 400  # of a size, some 200 kB each
PAGES = 16  # print has so many letters that more of it teaches no more
FILM = 256  # frames of a batch of clips about which nothing is said
FILM_ASKED = 128  # frames of one about which something is: words take longer than frames
LENGTHS = (8, 16, 16, 20, 24, 32, 32, 32)  # of clips, in frames: first looks at long ones have 32
CLIP_QUESTIONS, TIMES = 3, 5
ASKED = 3  # questions about a page that is not transcribed
FOUND = 3  # thoughts about lines of a page
NEVER = 2  # of these, about what never happens, if so much is asked
COLORED = 0.7  # of clips that are also asked for when a thing is of a color: few other questions are
ABSENT = 0.3  # of clips that are also asked for what cannot be seen in them, as in most windows of a long clip
WHOLE, MOVING, BRIEF = 0.3, 0.2, 0.15  # of clips about which something is said, if they are long enough
SIDE = 4 * FACTOR  # pixels of frames
CLOCKS = 8  # frames of a clip about which nothing is said, at least
COMMON = 0.25  # of charts and pages, that have common proportions: all others come through the commands
CHARTS = ((224, 224), (252, 196), (280, 196))  # common ones; the other charts have these sides
CHART_SIDES = (140, 168, 196, 224)
PAGE_SIDES = (*CHART_SIDES, 252)
FULL = 200_000  # answers about pages that have been learned before most of them are full
CLIPS = ((140, 140), (168, 140), (168, 140), (196, 112))  # width and height of their frames
MIX = {
    "easy-vqa": 0.03,
    "ask": 0.12,
    "ground": 0.6,
    "doc": 0.3,
    "lines": 0.3,
    "chart": 0.6,
    "reckon": 0.2,
    "places": 0.06,
    "letters": 0.3,
    "video": 0.3,
    "times": 1.0,
    "moments": 0.6,
    "judge": 0.2,
}
# What else is asked about clips builds on these: first they count so many times as much.
FIRST = {"moments": 34_000}
EAGER = 2
MODES = (0.9, 0.06, 0.04)
MISREAD = 0.05  # of what is read: else the model only ever goes on from what is right, and once wrong, loses its line
SILENT = ("moments", "places", "letters")  # nothing is said in these
POOL = 6  # batches that are drawn at once, to put questions of like length together


# Clips of so many frames of a width and height, about which nothing is asked yet.
FILMS: dict[str, Callable[[Random, int, int, int], Sample]] = {
    "look": partial(look_sample, questions=0),
    "whole": partial(video_sample, questions=0),
    "moving": moving_sample,
    "brief": brief_sample,
    "restless": restless_sample,
}
Draw: TypeAlias = tuple[str, list[Sample], PixelBudgets]


class Curriculum:
    """Batches in which all media come out at one size; each job grows harder as its own pictures are learned.

    `jobs` are names, or with another share than in `MIX`, as in `ground=0.8`. `reels` gives clips as `FILMS` draws
    them, of a kind, a size and a number of frames, if they are not to be drawn anew each time. A batch is so many
    `times` as large as a CPU's.
    """

    def __init__(
        self,
        seed: int | str,
        jobs: Sequence[str] = tuple(MIX),
        rank: int = 0,
        reels: Reels | None = None,
        times: int = 1,
    ) -> None:
        # Processes that train together draw the same jobs and sizes, so that none waits, but samples of their own.
        self.random, self.own, self.times = Random(seed), Random(f"{seed} {rank}"), times
        self.mix = dict(_share(job) for job in jobs)
        self._clip = reels or (lambda kind, size, frames: FILMS[kind](self.own, *size, frames))
        self._clips_only = reels is not None  # no strips of clocks: these teach the eyes
        self._waiting: dict[str, list[Draw]] = {job: [] for job in self.mix}
        self._charts: dict[tuple[int, int], list[Chart]] = {}

    def draw(self, learned: Mapping[str, int]) -> Draw:
        """The next batch's job, samples and pixel budgets, after `learned` pictures of each job.

        As long as nothing is learned, since heads learn alone, none counts more than its share.
        """
        first = [job for job in self.mix if any(learned.values()) and learned.get(job, 0) < FIRST.get(job, 0)]
        weights = [share * (EAGER if job in first else 1) for job, share in self.mix.items()]
        job = self.random.choices(list(self.mix), weights)[0]
        waiting = self._waiting[job]
        if not waiting:
            make, rows, budgets = self._job(job, learned.get(job, 0))
            rows *= self.times
            # A row is as long as the longest of its batch: like goes with like.
            batches = 1 if job in SILENT else POOL
            drawn = sorted((self._with_modes(make()) for _ in range(batches * rows)), key=_length)
            waiting += [(job, drawn[at : at + rows], budgets) for at in range(0, batches * rows, rows)]
            self.random.shuffle(waiting)
        return waiting.pop()

    def _with_modes(self, sample: Sample) -> Sample:
        """Some questions without a thought, and some with one that is closed on its way; some letters misread."""
        if any(question.mode in WANTED for question in sample.questions):
            return sample
        modes = self.own.choices(["open", "closed", "cut"], MODES, k=len(sample.questions))
        asked = [misread(self.own, question, MISREAD) for question in sample.questions]
        return replace(sample, questions=[replace(q, mode=mode) for q, mode in zip(asked, modes, strict=True)])

    def _job(self, job: str, learned: int) -> tuple[Callable[[], Sample], int, PixelBudgets]:
        """How to draw a sample of a job, all of one size, how many make a batch, and the pixel budgets."""
        if job == "video":
            frames = self.random.choice([8] if learned < 6_000 else [8, 16] if learned < 10_000 else LENGTHS)
            return self._video(frames), FILM_ASKED // frames, BUDGETS
        if job == "times":
            frames = self.random.choice([8, 16, 32, 32] if learned > 20_000 else [8, 8, 16])
            return self._times(frames), FILM_ASKED // frames, BUDGETS
        if job == "moments":
            return self._moments(learned)
        unseen = {
            "judge": lambda: judged_sample(self.own, self.own.randint(3, 8)),
            "reckon": lambda: reckoned_sample(self.own),
        }
        if job in unseen:
            return unseen[job], ROWS, BUDGETS._replace(picture=TINY)
        makers = {
            "ask": self._ask,
            "ground": self._ground,
            "places": self._places,
            "letters": self._letters,
            "doc": self._doc,
            "lines": self._lines,
            "chart": self._chart,
        }
        make = makers[job](learned) if job in makers else lambda: easy_sample(self.own, QUESTIONS)
        rows = PAGES if job in ("letters", "doc", "lines", "chart") else 2 * ROWS if job in SILENT else ROWS
        return make, rows, BUDGETS

    def _ask(self, learned: int) -> Callable[[], Sample]:
        """Few things first."""
        random, own = self.random, self.own
        most = random.choice([1, 2, 4] if learned < 20_000 else [1, 4, 8])
        width, height = draw_size(random)
        return lambda: scene_sample(own, width, height, most, QUESTIONS)

    def _ground(self, learned: int) -> Callable[[], Sample]:
        """Few things in square pictures first; then other proportions, and more."""
        random, own = self.random, self.own
        most = random.choice([1, 2, 3] if learned < 15_000 else [1, 4, 8] if learned < 150_000 else [1, 6, 8, 8])
        width, height = (168, 168) if learned < 8_000 else draw_size(random)
        plain = learned < 10_000
        # A large picture's tiles are often empty.
        return lambda: _in_tens(
            ground_sample(own, width, height, most, QUESTIONS, plain=plain, everything=0.3, empty=0.08)
        )

    def _places(self, learned: int) -> Callable[[], Sample]:
        """Pictures about which nothing is said: only what every token shows is learned."""
        own, size = self.own, draw_size(self.random)
        return lambda: ground_sample(own, *size, 8, 0, plain=learned < 10_000).silent()

    def _letters(self, learned: int) -> Callable[[], Sample]:
        """Pages full of print, or charts, about which nothing is said either."""
        own, size = self.own, self._page_size()
        if self.random.random() < CHARTED:
            size = self._chart_size()
            return lambda: sample_of(own, self._drawn(size), 1).silent()
        # The decoder learns from pages as they are asked about, the eyes mostly from such as are full of print.
        return lambda: print_sample(own, *size, full=0.2 if self._clips_only else 0.8)

    def _video(self, frames: int) -> Callable[[], Sample]:
        """Clips of so many frames, or parts of longer ones; mostly asked for moments."""
        own, size = self.own, self.random.choice(CLIPS)

        def make() -> Sample:
            while True:
                sample = self._story(size, frames)
                asked = questions_about(own, sample.clip, 2 * CLIP_QUESTIONS)
                if own.random() < 0.75:
                    asked = sorted(asked, key=lambda question: not question.answer.startswith("["))
                if own.random() < COLORED:
                    asked = _first(colored_question(own, sample.clip), asked)
                if own.random() < ABSENT:
                    asked = _first(absent_question(own, sample.clip), asked)
                if len(asked) >= CLIP_QUESTIONS:
                    return replace(sample, questions=asked[:CLIP_QUESTIONS])

        return make

    def _times(self, frames: int) -> Callable[[], Sample]:
        """Parts of clips, or whole ones, and thoughts about what happens in them: the short way to say when."""
        size = self.random.choice(CLIPS)
        return lambda: _timed_of(self.own, lambda: self._story(size, frames))

    def _story(self, size: tuple[int, int], frames: int) -> Sample:
        """A clip in which something happens: a part of one, or a whole one if it is long enough.

        In some all that happens is movement, of which few of the others show both ends; in some, things are there for a
        moment.
        """
        kinds, shares = ("whole", "moving", "brief", "look"), (WHOLE, MOVING, BRIEF, 1 - WHOLE - MOVING - BRIEF)
        kind = self.own.choices(kinds, shares)[0] if frames >= 4 * HOLD else "look"
        return self._clip(kind, size, frames)

    def _moments(self, learned: int) -> tuple[Callable[[], Sample], int, PixelBudgets]:
        """Clips about which nothing is said: clocks alone first, in the upper rows of frames of 4 x 4 tokens."""
        own = self.own
        if self._clips_only or (learned > FIRST["moments"] and self.random.random() < 0.6):
            size = self.random.choice(CLIPS)
            frames = self.random.choice([CLOCKS, 2 * CLOCKS])
            kind = "restless" if self.random.random() < 0.4 else "look"
            return lambda: self._clip(kind, size, frames), FILM // frames, BUDGETS
        # The clock is in the first row of tokens; those below are to know it as well.
        rows = 1 if learned < 10_000 else 2
        size = self.random.choice([size for size in CLIPS if fit(*size[::-1], FRAMES) == (SIDE, SIDE)])
        make = partial(clocks_sample, own, *size, CLOCKS, side=SIDE, lines=rows * FACTOR)
        return make, 2 * FILM // rows // CLOCKS, BUDGETS._replace(frame=STRIPS)

    def _chart(self, learned: int) -> Callable[[], Sample]:
        """A chart is read as a table, and asked for something on it."""
        own, size = self.own, self._chart_size()
        return lambda: sample_of(own, self._drawn(size), 2)

    def _chart_size(self) -> tuple[int, int]:
        """Common ones, or any that people might cut a picture to."""
        if self.random.random() < COMMON:
            return self.random.choice(CHARTS)
        return self.random.choice(CHART_SIDES), self.random.choice(CHART_SIDES)

    def _page_size(self) -> tuple[int, int]:
        """The same of pages."""
        if self.random.random() < COMMON:
            return draw_size(self.random, PAGE)
        return self.random.choice(PAGE_SIDES), self.random.choice(PAGE_SIDES)

    def _drawn(self, size: tuple[int, int]) -> Chart:
        """A chart of a size (width, height), at times a new one."""
        kept = self._charts.setdefault(size, [])
        if not kept or self.own.random() < 1 / AGAIN:
            turned = self.own.random() < (TURNED_ASKED if self._clips_only else TURNED)
            kept.append(draw_chart(self.own, *size, turned=turned))
            del kept[:-CHARTS_KEPT]
        return self.own.choice(kept).as_read()

    def _lines(self, learned: int) -> Callable[[], Sample]:
        """Where on pages something is, and nothing else."""
        own, most, size = self.own, self.random.choice([4, 6, 8]), self._page_size()
        return lambda: lines_sample(own, *size, most, FOUND)

    def _doc(self, learned: int) -> Callable[[], Sample]:
        """Few lines first, in the end mostly full pages. One is transcribed and asked for something, or asked for more.

        To transcribe a page takes as many words as three answers.
        """
        own, transcribed = self.own, self.random.random() < 0.5
        few = [1, 2] if learned < 4_000 else [1, 2, 4] if learned < 12_000 else [2, 4, 6, 8]
        # Long lists are rare among all pages, and where they end is what is learned last.
        lines = self.random.choice(few if learned < FULL else [4, 8, 8, 8])
        size = self._page_size()

        def make() -> Sample:
            sample = doc_sample(own, *size, lines, 4)
            first, *rest = sample.questions
            rest = rest or [first]
            asked = [first, own.choice(rest)] if transcribed else own.sample(rest * ASKED, ASKED)
            return replace(sample, questions=[stammered(own, slipped(own, question)) for question in asked])

        return make


def _share(job: str) -> tuple[str, float]:
    name, _, share = job.partition("=")
    return name, float(share) if share else MIX[name]


def timed_sample(random: Random, width: int, height: int, frames: int) -> Sample:
    """A part of a clip, and `TIMES` thoughts about what happens in it or does not, which may come twice."""
    return _timed_of(random, lambda: FILMS["look"](random, width, height, frames))


def _timed_of(random: Random, draw: Callable[[], Sample]) -> Sample:
    while True:
        sample = draw()
        asked = questions_about(random, sample.clip, 3 * TIMES)
        # What never happens first, and movements: both take long to learn.
        moments = sorted((q for q in asked if q.answer.startswith("[")), key=lambda q: " moves" not in q.text)
        if random.random() < COLORED:
            moments = _first(colored_question(random, sample.clip), moments)
        if random.random() < ABSENT:
            moments = _first(absent_question(random, sample.clip), moments)
        never = [question for question in moments if question.answer == "[]"]
        found = [_timed(q) for q in (never[:NEVER] + [q for q in moments if q not in never] + never[NEVER:])[:TIMES]]
        if found:
            return replace(sample, questions=found + random.choices(found, k=TIMES - len(found)))


def _first(question: Question, others: list[Question]) -> list[Question]:
    """A question, and then the others."""
    return [question, *(other for other in others if other.text != question.text)]


def _timed(question: Question) -> Question:
    """No more words than tell what is looked for."""
    before, after = PROMPT.split("{event}")
    text = question.text.removeprefix(before).removesuffix(after.format())
    return replace(question, text=text, mode="timed")


def _in_tens(sample: Sample) -> Sample:
    """The same with coordinates in steps of ten: on small pictures a third digit is noise, and slows learning down."""
    return replace(
        sample,
        questions=[
            replace(q, answer=re.sub(r"\b\d+\b", lambda number: str(round(int(number[0]), -1)), q.answer))
            for q in sample.questions
        ],
    )


def _length(sample: Sample) -> int:
    lengths = (len(q.text) + len(q.answer) + (len(q.thought) if q.mode == "open" else 0) for q in sample.questions)
    return max(lengths, default=0)
