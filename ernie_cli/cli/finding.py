"""What `ernie video` asks the model about a clip: one question, or the search for moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ernie_cli.cli.asking import Asker
from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.tasks import video as task
from ernie_cli.tasks.findings import Plan, Seen, Window
from ernie_cli.tasks.reading import AGAIN_HINT, Reading, check_nothing
from ernie_cli.tasks.search import Search

if TYPE_CHECKING:
    from ernie_cli.cli.engine import FrameRules
    from ernie_cli.cli.output import Output, Reply
    from ernie_cli.engines import Options
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.media.clips import Clip, Sample
    from ernie_cli.messages import Message

MOST_FPS = 240.0


class ClipAsker(Asker):
    """Shows parts of a clip to an engine, as its model was trained to see them."""

    def __init__(self, clip: Clip, engine: LocalEngine, options: Options, rules: FrameRules, output: Output) -> None:
        super().__init__(engine, options, output)
        self.clip, self.rules = clip, rules
        self.notes: list[str] = []
        self.frames_read = 0
        self.coarsest_s: float | None = None
        self._unreadable: list[AnswerError] = []
        self._cuts: Sequence[float] = ()
        self._sample: tuple[tuple[Window, int], Sample] | None = None

    def sample(self, window: Window, count: int, cuts: Sequence[float] = ()) -> Sample:
        """So many frames of a window; the last window's are kept, for the next question about it."""
        from ernie_cli.media.clips import read_sample
        from ernie_cli.media.clock import find_font
        from ernie_cli.media.sampling import Sampling, Span

        if self._sample is None or self._sample[0] != (window, count):
            sampling, rules = Sampling(MOST_FPS, count, count), self.rules
            font = find_font(rules.folder)
            found = read_sample(self.clip, Span(*window), sampling, fit=rules.fit, font=font, cuts=cuts)
            self.frames_read += len(found.frames)
            self._sample = (window, count), found
        return self._sample[1]

    def messages(self, sample: Sample, text: str) -> list[Message]:
        """The conversation to send."""
        from ernie_cli.messages import Video, user

        return [user(Video(sample.frames, sample.times), text)]

    # ------------------------------------------------------------------------------------------- the search

    def search(
        self, events: Sequence[str], resolution_s: float, cuts: Sequence[float] = (), *, again: bool = True
    ) -> Search:
        """A search that is ready to run."""
        self._cuts = cuts
        span, rules = self.clip.span, self.rules
        plan = Plan((span.start_s, span.end_s), rules.fps, rules.least, rules.most, resolution_s, self.clip.interval_s)
        return Search(self._look, plan, events, again=again)

    def check(self, search: Search) -> None:
        """Raises AnswerError if none of the answers could be read."""
        if self._unreadable and len(self._unreadable) == search.looks:
            raise self._unreadable[-1]

    def _look(self, event: str, window: Window, count: int) -> Seen:
        sample = self.sample(window, count, self._cuts)
        times, spacing = tuple(sample.times), sample.spacing_s
        self.coarsest_s = max(self.coarsest_s or 0.0, spacing)

        def read(reply: Reply) -> Reading[task.Segment]:
            start, end = window
            found = task.read(reply.answer, end, label=event, start_s=start, frames=times)
            check_nothing(found, reply.answer, reply.finish.reason)
            return found

        try:
            reply, found = self.readable(self.messages(sample, task.request(event)), task.schema(times), read)
        except AnswerError as error:
            self._unreadable.append(error)
            self._note(f"The answer about {_shown(window)} could not be read. {error.message}")
            return Seen((), times, spacing, complete=False)
        for told in reply.notes:
            self._note(f"About {_shown(window)}: {told}")
        if reply.finish.reason == "length":
            self._note(f"The answer about {_shown(window)} was cut off; --max-tokens allows more.")
        elif found is not None and not found.complete:
            self._note(f"The answer about {_shown(window)} was cut off. {AGAIN_HINT}")
        if found is None:
            return Seen((), times, spacing, complete=False)
        for note in found.notes:
            self._note(f"About {_shown(window)}: {note}")
        spans = tuple((one.start_s, one.end_s) for one in found.items)
        return Seen(spans, times, spacing, found.complete and reply.finish.reason != "length")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _shown(window: Window) -> str:
    return f"{window[0]:.2f} to {window[1]:.2f} s"


def checked_rules(rules: FrameRules, fps: float | None, most: int | None) -> FrameRules:
    """The model's rules with what the user wants instead. Raises UsageError."""
    if fps is not None and not 0 < fps <= MOST_FPS:
        raise UsageError(f"--fps {fps:g} is out of range.", f"Give a number above 0, up to {MOST_FPS:g}.")
    most = rules.most if most is None else most
    return replace(rules, fps=fps or rules.fps, most=most, least=min(rules.least, most))


def frame_count(window: Window, rules: FrameRules) -> int:
    """How many frames of a window the model wants to see."""
    return min(max(math.ceil((window[1] - window[0]) * rules.fps - 1e-6), rules.least), rules.most)
