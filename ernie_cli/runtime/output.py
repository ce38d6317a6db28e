"""The grammar of what the model writes: `{thought}\\n</think>\\n\\n{answer}`, with tool calls after the thought.

A logged prompt ends inside `<think>`, so the output starts inside the thought; one that never closes is all thought.
After a prompt that leaves it to the model, a `<think>` that it writes opens a thought.
Text is let through as soon as it cannot be the beginning of a tag any more, and never with half a character. The
wrapper `<response>`, which a text-only sister model writes around answers, is taken off.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Literal, TypeAlias

from ernie_cli.messages import Answer, Note, Thinking, ToolCall

OPEN_THOUGHT, CLOSE_THOUGHT = "<think>", "</think>"
OPEN_CALL, CLOSE_CALL = "<tool_call>", "</tool_call>"
OPEN_WRAPPER, CLOSE_WRAPPER = "<response>", "</response>"
State: TypeAlias = Literal["thought", "answer", "call"]
TAGS: dict[State, tuple[str, ...]] = {
    "thought": (CLOSE_THOUGHT,),
    "answer": (OPEN_CALL, OPEN_THOUGHT, OPEN_WRAPPER, CLOSE_WRAPPER),
    "call": (CLOSE_CALL,),
}
Piece: TypeAlias = Thinking | Answer | ToolCall | Note


class OutputGrammar:
    """Splits a stream of bytes into thought, answer and tool calls. `state` says where the next byte would belong."""

    def __init__(self, *, thinking: bool = True, verbatim_answer: bool = False) -> None:
        """A verbatim answer is let through as it is: the text of a JSON string may spell a tag."""
        self.state: State = "thought" if thinking else "answer"
        self._tags = TAGS | {"answer": ()} if verbatim_answer else TAGS
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._wrapped = False
        self._begun = False  # whether the present part has shown anything but white space

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Events for some more bytes; what could still be part of a tag or of trailing white space is held back."""
        self._held += self._decoder.decode(data)
        yield from self._drain()

    def finish(self) -> Iterator[Piece]:
        """Events for what was held back, once nothing more comes. A tool call left open is told of, not guessed at."""
        self._held += self._decoder.decode(b"", final=True)
        yield from self._drain()
        if self.state == "call":
            yield Note("The answer ends inside a tool call, which was left out.", of_answer=True)
        else:
            yield from self._emit(self._held.rstrip())
        self._held = ""

    def _drain(self) -> Iterator[Piece]:
        while (cut := self._first_tag()) is not None:
            before, tag, self._held = cut
            yield from self._close(before, tag)
        if self.state != "call":
            safe = len(self._held) - self._uncertain()
            ready, self._held = self._held[:safe], self._held[safe:]
            yield from self._emit(ready)

    def _first_tag(self) -> tuple[str, str, str] | None:
        places = [
            (place, tag)
            for tag in self._tags[self.state]
            if (place := self._held.find(tag)) >= 0 and self._counts(tag, self._held[:place])
        ]
        if not places:
            return None
        place, tag = min(places)
        return self._held[:place], tag, self._held[place + len(tag) :]

    def _counts(self, tag: str, before: str) -> bool:
        """Whether a tag is one. An answer may speak of tags, so what opens something has to stand at its beginning."""
        if tag in (OPEN_THOUGHT, OPEN_WRAPPER):
            return not self._begun and not before.strip()
        return self._wrapped if tag == CLOSE_WRAPPER else True

    def _close(self, before: str, tag: str) -> Iterator[Piece]:
        if tag == CLOSE_CALL:
            self.state = "answer"
            yield _call(before)
            return
        yield from self._emit(before.rstrip())
        if tag == CLOSE_THOUGHT:
            self.state, self._begun = "answer", False
        elif tag == OPEN_CALL:
            self.state = "call"
        elif tag == OPEN_THOUGHT:
            self.state, self._begun = "thought", False
        elif tag == OPEN_WRAPPER:
            self._wrapped = True

    def _emit(self, text: str) -> Iterator[Piece]:
        if not self._begun:
            text = text.lstrip()
        if text:
            self._begun = True
            yield Thinking(text) if self.state == "thought" else Answer(text)

    def _uncertain(self) -> int:
        """How much of the end of the held text may still turn out to be a tag, or white space before one."""
        text = self._held
        tags = self._tags[self.state]
        longest = max(map(len, tags), default=0)
        for start in range(max(0, len(text) - longest), len(text)):
            if any(tag.startswith(text[start:]) for tag in tags):
                return len(text) - len(text[:start].rstrip())
        return len(text) - len(text.rstrip())


def _call(text: str) -> Piece:
    try:
        decoded = json.loads(text)
        return ToolCall(str(decoded["name"]), dict(decoded.get("arguments") or {}))
    except (ValueError, KeyError, TypeError):
        return Note(f"The model wrote a tool call that is not valid JSON: {text.strip()[:80]}", of_answer=True)
