"""The only printer. stdout carries the answer and nothing else; thinking, notes and errors go to stderr.

Colour, Markdown and movement appear only on a stream that is a terminal; `NO_COLOR` takes the colour away.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO, TypeAlias

from ernie_cli.cli.blocks import finished_blocks
from ernie_cli.cli.progress import ByteBar, PageBar, Pages, Progress
from ernie_cli.cli.ticker import Ticker
from ernie_cli.cli.wrap import Wrap

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import BaseModel
    from rich.console import Console
    from rich.live import Live

    from ernie_cli.errors import ErnieError
    from ernie_cli.messages import Event, Finish

ShowThinking: TypeAlias = Literal["auto", "always", "never"]


class Reply(NamedTuple):
    """All of an answer, once it is there, with what the engine noted about it: that it was ended, say."""

    answer: str
    thinking: str
    finish: Finish
    notes: tuple[str, ...] = ()


class Style(NamedTuple):
    """What a person asked to see."""

    show_thinking: ShowThinking = "auto"
    verbose: bool = False
    quiet: bool = False


class Output:
    """Prints for one run of one command."""

    def __init__(self, style: Style | None = None) -> None:
        self.style = style or Style()
        self._stdout_is_terminal = sys.stdout.isatty()
        self._stderr_is_terminal = sys.stderr.isatty()

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether a person sees what is printed."""
        return self._stdout_is_terminal

    # Notes and errors

    def note(self, text: str) -> None:
        """One line about what is going on; `-q` silences it."""
        if not self.style.quiet:
            self._to_stderr(text, "dim")

    def detail(self, text: str) -> None:
        """One line for those who asked with `-v`."""
        if self.style.verbose:
            self._to_stderr(text, "dim")

    def error(self, error: ErnieError) -> None:
        """What happened, and what to do about it."""
        self._to_stderr(f"Error: {error.message}", "bold red")
        if error.hint:
            self._to_stderr(f"  {error.hint}")

    def raw(self, answer: str) -> None:
        """What the model said, word for word, where nothing could be made of it."""
        self._to_stderr(f"The answer was:\n{answer}" if answer.strip() else "The answer was empty.")

    def picture(self, image: Image) -> None:
        """A picture on the terminal of stderr; a note where that is none, or knows no colours."""
        from ernie_cli.cli.screen import drawn_for

        console = _console(sys.stderr)
        colored = self._stderr_is_terminal and console.color_system is not None
        shown = drawn_for(image, console) if colored else None
        if shown is None:
            self.note("Pictures are shown only on a terminal with colours.")
        elif isinstance(shown, str):
            print(shown, end="", file=sys.stderr, flush=True)
        else:
            console.print(shown)

    def _to_stderr(self, text: str, style: str = "") -> None:
        if self._stderr_is_terminal:
            console = _console(sys.stderr)
            console.print(text, style=style, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    # Results

    def text(self, text: str) -> None:
        """Plain text on stdout, ending in one newline."""
        print(text, flush=True)

    def markdown(self, text: str) -> None:
        """Markdown on stdout: rendered on a terminal, as it is otherwise."""
        if not self._stdout_is_terminal:
            self.text(text)
            return
        from rich.markdown import Markdown

        _console(sys.stdout).print(Markdown(text))

    def result(self, result: BaseModel) -> None:
        """A JSON object: indented on a terminal, one line otherwise."""
        self.text(result.model_dump_json(indent=2 if self._stdout_is_terminal else None))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, below: int = 0) -> None:
        """Aligned columns on a terminal, each row's last `below` cells in lines below it; tabs between otherwise.

        Columns that are all nameless get no header.
        """
        from rich.cells import cell_len

        lines = [columns, *rows] if any(columns) else [*rows]
        if not self._stdout_is_terminal:
            for line in lines:
                self.text("\t".join(line))
            return
        console, beside = _console(sys.stdout), len(columns) - below
        widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)][:beside]
        for line in lines:
            cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=False))
            style = "bold" if line is columns else ""
            console.print("  ".join(cells).rstrip(), style=style, markup=False, highlight=False, soft_wrap=True)
            for extra in filter(None, line[beside:] if line is not columns else ()):
                console.print(f"  {extra}", style="dim", markup=False, highlight=False, soft_wrap=True)

    # A question to the person, and how far something is

    def agrees(self, question: str, *, otherwise: bool | None) -> bool | None:
        """A yes or no to a question on the terminal, `otherwise` for a bare return; None if nobody can be asked.

        The end of what is typed (Ctrl-D) is a no.
        """
        if not (self._stderr_is_terminal and sys.stdin.isatty()):
            return None
        choices = {True: "[Y/n]", False: "[y/N]", None: "[y/n]"}[otherwise]
        while True:
            print(f"{question} {choices} ", end="", file=sys.stderr, flush=True)
            said = sys.stdin.readline()
            if not said:
                print(file=sys.stderr)
                return False
            answer = {"": otherwise, "y": True, "yes": True, "n": False, "no": False}.get(said.strip().lower())
            if answer is not None:
                return answer

    @contextmanager
    def progress(self, files: int, size: int) -> Iterator[Progress]:
        """Shows `files` files of `size` bytes in all as they pass: a bar on a terminal, a line for each otherwise."""
        redrawn = self._stderr_is_terminal and not self.style.quiet
        shown = ByteBar(size, _console(sys.stderr)) if redrawn else Progress(self.note, files)
        try:
            yield shown
        finally:
            shown.close()

    @contextmanager
    def pages(self, count: int) -> Iterator[Pages]:
        """Shows how far a work on so many pages is: a bar on a terminal, a line for each otherwise."""
        redrawn = self._stderr_is_terminal and not self.style.quiet and count > 1
        shown = PageBar(count, _console(sys.stderr)) if redrawn else Pages(self.note, count)
        try:
            yield shown
        finally:
            shown.close()

    def secret(self, question: str) -> str | None:
        """What is typed, unseen, to a question on the terminal; None if nobody can be asked, or nothing is typed."""
        if not (self._stderr_is_terminal and sys.stdin.isatty()):
            return None
        from getpass import getpass

        try:
            return getpass(f"{question} ", stream=sys.stderr) or None
        except EOFError:
            return None

    @contextmanager
    def ticker(self) -> Iterator[Ticker]:
        """A line that says how far a long work is."""
        redrawn = self._stderr_is_terminal and not self.style.quiet
        shown = Ticker(_console(sys.stderr).status("", spinner="dots") if redrawn else None, self.note)
        try:
            yield shown
        finally:
            shown.close()

    # An answer as it comes

    def play(self, events: Iterable[Event], *, show_answer: bool = True, markdown: bool = True) -> Reply:
        """Shows the events as they come and returns the whole; `markdown` is rendered only on a terminal."""
        from ernie_cli.messages import Answer, Finish, Note, Thinking, ToolCall

        thinking: list[str] = []
        answer: list[str] = []
        notes: list[str] = []
        finish: Finish | None = None
        waiting = self._waiting()
        with self._showing_answer(markdown) if show_answer else _nowhere() as show, self._showing_thought() as muse:
            waiting.start()
            try:
                for event in events:
                    waiting.stop()
                    if isinstance(event, Thinking):
                        thinking.append(event.text)
                        muse.write(event.text)
                    elif isinstance(event, Answer):
                        muse.close()
                        answer.append(event.text)
                        show.write(event.text)
                    elif isinstance(event, Note):
                        (self.detail if event.detail else self.note)(event.text)
                        notes += [event.text] * event.of_answer
                    elif isinstance(event, ToolCall):
                        self.note(f"The model asked for the tool {event.name}, which was not run.")
                    elif isinstance(event, Finish):
                        finish = event
            finally:
                waiting.stop()
                muse.close()
        assert finish is not None, "an engine ends with Finish"
        return Reply("".join(answer), "".join(thinking), finish, tuple(notes))

    def _waiting(self) -> _Waiting:
        return _Waiting(self._stderr_is_terminal and not self.style.quiet)

    @contextmanager
    def _showing_thought(self) -> Iterator[_Thought]:
        shown = {"auto": self._stderr_is_terminal and not self.style.quiet, "always": True, "never": False}
        yield _Thought(self._stderr_is_terminal) if shown[self.style.show_thinking] else _Thought(None)

    @contextmanager
    def _showing_answer(self, markdown: bool) -> Iterator[_Sink]:
        rendered = markdown and self._stdout_is_terminal
        sink = _RenderedAnswer(_console(sys.stdout)) if rendered else _PlainAnswer(sys.stdout)
        try:
            yield sink
        finally:
            sink.close()


class _Sink:
    """Somewhere for text to go."""

    def write(self, text: str) -> None:
        """Takes some more."""

    def close(self) -> None:
        """Nothing more comes."""


@contextmanager
def _nowhere() -> Iterator[_Sink]:
    yield _Sink()


class _PlainAnswer(_Sink):
    """The answer as it is, ending in exactly one newline."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = False

    def write(self, text: str) -> None:
        self._begun = True
        self._stream.write(text)
        self._stream.flush()

    def close(self) -> None:
        if self._begun:
            self._stream.write("\n")
            self._stream.flush()


class _RenderedAnswer(_Sink):
    """Markdown on a terminal: finished blocks are printed for good, the present one is redrawn as it grows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._live: Live | None = None

    def write(self, text: str) -> None:
        from rich.markdown import Markdown

        done, self._text = finished_blocks(self._text + text)
        live = self._live_display()
        if done.strip():
            live.update("")
            self._console.print(Markdown(done))
        live.update(Markdown(self._text), refresh=True)

    def _live_display(self) -> Live:
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self._live

    def close(self) -> None:
        from rich.markdown import Markdown

        if self._live is not None:
            self._live.stop()
            if self._text.strip():
                self._console.print(Markdown(self._text))


class _Thought(_Sink):
    """The thought on stderr: dim and under a heading on a terminal, plain otherwise, or not at all."""

    def __init__(self, terminal: bool | None) -> None:
        self._shown = terminal is not None
        self._console = _console(sys.stderr) if terminal else None
        self._wrap = Wrap()
        self._begun = False

    def write(self, text: str) -> None:
        if not self._shown:
            return
        if not self._begun:
            self._begun = True
            self._print("Thinking\n", "dim italic")
        # A terminal may have become wider or narrower meanwhile.
        self._print(self._wrap.feed(text, self._console.width) if self._console else text, "dim")

    def close(self) -> None:
        if self._begun:
            if self._console:
                self._print(self._wrap.end(self._console.width), "dim")
            self._print("\n\n", "")
        self._begun = self._shown = False

    def _print(self, text: str, style: str) -> None:
        if self._console:
            self._console.print(text, style=style, end="", markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, end="", file=sys.stderr, flush=True)


class _Waiting:
    """A spinner on a terminal's stderr, until there is something to see."""

    def __init__(self, shown: bool) -> None:
        self._status = None
        if shown:
            self._status = _console(sys.stderr).status("[dim]Loading the model[/dim]", spinner="dots")

    def start(self) -> None:
        if self._status:
            self._status.start()

    def stop(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream)
