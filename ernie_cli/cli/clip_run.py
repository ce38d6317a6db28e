"""One run of `ernie video` over its clips: which of its three ways each clip goes, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ernie_cli.cli.asking import preview
from ernie_cli.cli.clip_output import ClipOutput, Wanted, answer_result, search_result
from ernie_cli.cli.finding import ClipAsker, checked_rules, frame_count
from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.cli.segment_files import OF_ONE_CLIP, VideoFormat
from ernie_cli.cli.shots import cuts_result, short_name, watched_cuts
from ernie_cli.cli.tally import Tally
from ernie_cli.errors import EXIT_CUT_OFF, AnswerError, UsageError
from ernie_cli.tasks.reading import counted

if TYPE_CHECKING:
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.media.clips import Clip
    from ernie_cli.tasks.search import Search

SPARSE_FPS = 1.0  # at so few frames a second or fewer, a whole shot can pass between two
MOST_FOR_CUTS = 100_000  # frames; to find cuts, all of them are decoded


class ClipRun:
    """Clips one after the other, with one model for all."""

    def __init__(self, wanted: Wanted, common: Common, output: Output) -> None:
        self.wanted, self.common, self.output = wanted, common, output
        self.out = ClipOutput(wanted, common, output)
        self._engine: LocalEngine | None = None

    def over(self, names: Sequence[str], *, fail_empty: bool) -> None:
        """All the clips that the names mean; ends the command as `Tally` says."""
        from ernie_cli.media import Limits, resolve
        from ernie_cli.media.clips import grouped, open_clip

        limits, wanted = Limits(), self.wanted
        groups = grouped(resolve(names, stdin=sys.stdin.buffer, limits=limits), limits, wanted.fps)
        if len(groups) > 1 and (wanted.sheet or wanted.format in OF_ONE_CLIP):
            what = "--sheet" if wanted.sheet else f"--format {wanted.format.value}"
            raise UsageError(
                f"{what} is for one clip, and here are {len(groups)}.", "Run the command for each of them."
            )
        self.out.several = len(groups) > 1
        tally = Tally(self.output, len(groups))
        try:
            for group in groups:
                with tally.one(group[0].name):
                    whole, found = self._one(open_clip(group, limits, wanted.fps))
                    tally.found += found
                    tally.cut += not whole
        finally:
            self.out.write()
        tally.end(fail_empty=fail_empty)

    def _one(self, clip: Clip) -> tuple[bool, int]:
        """One clip, to its end; gives whether it was whole, and how much was found."""
        size = f"{clip.size[0]}x{clip.size[1]}"
        self.output.detail(f"{clip.name}: {len(clip.times)} frames in {clip.duration_s:.2f} s, {size}.")
        if not self.wanted.needs_model:
            return self._without_model(clip)
        from ernie_cli.cli.engine import frame_rules, options_of, pick_engine

        if self._engine is None:
            self._engine = pick_engine(self.common, self.output)
        rules = checked_rules(frame_rules(self._engine, self.common), self.wanted.fps, self.wanted.max_frames)
        asker = ClipAsker(clip, self._engine, options_of(self.common), rules, self.output)
        if self.common.dry_run:
            return self._preview(clip, asker)
        return self._search(clip, asker) if self.wanted.events else self._ask(clip, asker)

    def _without_model(self, clip: Clip) -> tuple[bool, int]:
        """Cuts, or just the frames that a model would see."""
        if self.common.dry_run:
            self.output.note(f"{clip.name}: nothing would be sent; this needs no model.")
            return True, 1
        if self.wanted.cuts:
            result = cuts_result(clip, self.output)
            self.out.notes(clip, clip.notes)
            self.out.segments(clip, result)
            return True, len(result.cuts)
        from ernie_cli.cli.engine import frame_rules
        from ernie_cli.media.clips import read_sample
        from ernie_cli.media.sampling import Sampling

        rules = checked_rules(frame_rules(None, self.common), self.wanted.fps, self.wanted.max_frames)
        sample = read_sample(clip, clip.span, Sampling(rules.fps, rules.least, rules.most), fit=rules.fit)
        self.out.notes(clip, clip.notes)
        self.out.sample(clip, sample)
        return True, len(sample.frames)

    def _ask(self, clip: Clip, asker: ClipAsker) -> tuple[bool, int]:
        question = self.wanted.question or ""
        window = (clip.span.start_s, clip.span.end_s)
        sample = asker.sample(window, frame_count(window, asker.rules))
        self.out.notes(clip, clip.notes)
        self.out.looked(clip, asker.frames_read, f"at most {sample.spacing_s:.3f} s between two")
        events = asker.engine.stream(asker.messages(sample, question), asker.options)
        reply = self.output.play(events, show_answer=self.out.live)
        if not self.out.live:
            as_json = self.wanted.format is VideoFormat.json
            self.out.print(answer_result(clip, question, reply) if as_json else self.out.named(clip, reply.answer))
        self.out.sample(clip, sample)
        self.out.thought(reply.thinking)
        if reply.finish.reason == "length":
            self.out.notes(clip, ["The answer was cut off; --max-tokens allows more."])
            return False, 1
        if not reply.answer:
            raise AnswerError("The model gave no answer.", "Ask again, or with another --seed or --temperature.")
        return True, 1

    def _search(self, clip: Clip, asker: ClipAsker) -> tuple[bool, int]:
        """What was found before an interruption is given back as well."""
        sparse = asker.rules.fps <= SPARSE_FPS and len(clip.times) <= MOST_FOR_CUTS
        cuts = watched_cuts(clip, self.output) if sparse else ()
        search = asker.search(self.wanted.events, self.wanted.resolution_s, cuts, again=not self.wanted.once)
        stopped = False
        try:
            with self.output.ticker() as ticker:
                search.told = lambda state: ticker.tell(_progress(clip, asker, state))
                search.run()
        except KeyboardInterrupt:
            stopped = True
        self.out.notes(clip, [*clip.notes, *asker.notes])
        self.out.looked(clip, asker.frames_read, counted(search.looks, "look"))
        if not stopped:
            asker.check(search)
        result = search_result(clip, asker, search, stopped=stopped)
        if stopped:
            self.output.note(f"Interrupted after {_progress(clip, asker, search)}.")
        elif result.complete and not result.segments:
            self.output.note(f"{clip.name}: nothing was found.")
        self.out.segments(clip, result)
        self.out.thought(result.thinking)
        if stopped:
            raise typer.Exit(EXIT_CUT_OFF)
        return result.complete, len(result.segments)

    def _preview(self, clip: Clip, asker: ClipAsker) -> tuple[bool, int]:
        """What would be sent first."""
        from ernie_cli.tasks import video as task
        from ernie_cli.tasks.search import windows

        events = self.wanted.events
        span = (clip.span.start_s, clip.span.end_s)
        window = windows(asker.search(events, self.wanted.resolution_s).plan)[0] if events else span
        sample = asker.sample(window, frame_count(window, asker.rules))
        self.out.looked(clip, asker.frames_read, f"at most {sample.spacing_s:.3f} s between two")
        text = task.request(events[0]) if events else self.wanted.question or ""
        as_json = self.wanted.format is VideoFormat.json
        preview("video", asker.engine, asker.messages(sample, text), asker.options, self.output, as_json=as_json)
        return True, 1


def _progress(clip: Clip, asker: ClipAsker, search: Search) -> str:
    """How far a search is: `clip.mp4: window 3 of 12, 540 frames read, 2 found`."""
    windows = len(search.windows)
    at = f"window {min(search.windows_done + 1, windows)} of {windows}"
    if windows and search.windows_done == windows:
        at = f"{counted(windows, 'window')} done, {counted(search.closer_looks, 'closer look')}"
    return f"{short_name(clip)}: {at}, {asker.frames_read} frames read, {len(search.found)} found"
